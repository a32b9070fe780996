"""Nodes and media: how each is made from the other, and the files that nodes refer to."""
