"""Vector stores: the protocol, its implementations, filters and locks."""
