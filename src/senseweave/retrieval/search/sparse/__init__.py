"""Sparse spaces of an index: the vectors of its records' texts, kept beside the store and searched exactly."""
