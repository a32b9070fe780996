"""A retriever that ranks text, images, audio and video of several vector stores, or of a senseweave index, fairly."""

from llama_index.retrievers.senseweave.items.bundle import MediaQueryBundle
from llama_index.retrievers.senseweave.prompting.postprocessor import MediaPostprocessor
from llama_index.retrievers.senseweave.retrieval.retriever import SenseweaveRetriever
from llama_index.retrievers.senseweave.version import __version__

__all__ = ["MediaPostprocessor", "MediaQueryBundle", "SenseweaveRetriever", "__version__"]
