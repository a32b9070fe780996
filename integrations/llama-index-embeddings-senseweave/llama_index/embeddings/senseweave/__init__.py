"""senseweave's encoders as a LlamaIndex embedding model, and media nodes that stock classes keep whole."""

from llama_index.embeddings.senseweave.base import SenseweaveEmbedding
from llama_index.embeddings.senseweave.nodes import media_node
from llama_index.embeddings.senseweave.parser import MediaNodeParser
from llama_index.embeddings.senseweave.reader import MediaReader

__all__ = ["MediaNodeParser", "MediaReader", "SenseweaveEmbedding", "media_node"]
