"""Models that score how well documents answer a query: cross-encoders, multi-vector models and sparse encoders."""
