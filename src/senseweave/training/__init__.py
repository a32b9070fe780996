"""Training: spaces of one's own from pairs of media."""
