"""Explore: what is near, twice, together or alone in an index, and a map of all of it."""
