"""The map of an index: one self-contained page, and a picture."""
