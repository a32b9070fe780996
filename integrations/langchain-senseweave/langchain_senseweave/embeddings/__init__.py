"""Embeddings: their interface for media, any space of senseweave as embeddings, and a cache before either."""
