"""Integrity: whether the files of an index are whole, whether its records are what they should be, and their repair."""
