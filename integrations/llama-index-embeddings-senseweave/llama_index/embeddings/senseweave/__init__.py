"""senseweave's encoders as a LlamaIndex embedding model, and media nodes that stock classes keep whole."""

from llama_index.embeddings.senseweave.base import SenseweaveEmbedding
from llama_index.embeddings.senseweave.nodes import media_node

__all__ = ["SenseweaveEmbedding", "media_node"]
