"""Bridges into a text space: labels, transcripts, captions and text in images."""
