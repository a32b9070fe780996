"""Alignment of encoders, fine-tuning, and the data of both."""
