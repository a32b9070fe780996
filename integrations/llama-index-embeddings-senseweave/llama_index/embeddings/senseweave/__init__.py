"""senseweave's encoders as a LlamaIndex embedding model, and media nodes that stock classes keep whole."""

from llama_index.embeddings.senseweave.embeddings.finetuning import SenseweaveFinetuneEngine
from llama_index.embeddings.senseweave.embeddings.model import SenseweaveEmbedding
from llama_index.embeddings.senseweave.items.nodes import media_from_node, media_node
from llama_index.embeddings.senseweave.loading.parser import MediaNodeParser
from llama_index.embeddings.senseweave.loading.reader import MediaReader
from llama_index.embeddings.senseweave.version import __version__

__all__ = [
    "MediaNodeParser",
    "MediaReader",
    "SenseweaveEmbedding",
    "SenseweaveFinetuneEngine",
    "__version__",
    "media_from_node",
    "media_node",
]
