"""The embedding model: single inputs and batches, sync and async, with LlamaIndex's events, cache and rate limit."""
