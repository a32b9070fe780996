"""Training data: pairs, tables, splits and the check for leaks."""
