"""The retriever, and vector stores and an index as the lists that it ranks."""
