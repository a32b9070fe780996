"""A retriever that ranks text, images, audio and video of several vector stores, or of a senseweave index, fairly."""

from llama_index.retrievers.senseweave.base import SenseweaveRetriever
from llama_index.retrievers.senseweave.bundle import MediaQueryBundle

__all__ = ["MediaQueryBundle", "SenseweaveRetriever"]
