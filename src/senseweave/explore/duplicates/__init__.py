"""Duplicates: equal, encoded again, cropped, cut and slightly changed copies of the same content."""
