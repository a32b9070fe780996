"""Serve an index: an HTTP API, embeddings in OpenAI's form, and a page to search on.

Nothing here is imported before it is used; `senseweave serve` needs the extra `serve`.
"""
