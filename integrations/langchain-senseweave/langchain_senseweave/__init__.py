"""senseweave in LangChain: text, images, audio and video in one embedding class, one store and one ranking.

Importing this module loads no model library and no vector store: each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senseweave.lazy import lazy_names

__version__ = "0.1.0"

_HOMES = {
    "BlockLimits": "langchain_senseweave.content",
    "MediaCacheBackedEmbeddings": "langchain_senseweave.cache",
    "MediaEmbeddings": "langchain_senseweave.base",
    "MediaLoader": "langchain_senseweave.loaders",
    "MediaParser": "langchain_senseweave.loaders",
    "SenseweaveChroma": "langchain_senseweave.chroma",
    "SenseweaveEmbeddings": "langchain_senseweave.embeddings",
    "SenseweaveRetriever": "langchain_senseweave.retrievers",
    "content_blocks": "langchain_senseweave.content",
    "create_media_retriever_tool": "langchain_senseweave.tools",
    "document_from_hit": "langchain_senseweave.documents",
    "document_from_media": "langchain_senseweave.documents",
    "media_from_document": "langchain_senseweave.documents",
    "multimodal_prompt": "langchain_senseweave.content",
}

__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from langchain_senseweave.base import MediaEmbeddings as MediaEmbeddings
    from langchain_senseweave.cache import MediaCacheBackedEmbeddings as MediaCacheBackedEmbeddings
    from langchain_senseweave.chroma import SenseweaveChroma as SenseweaveChroma
    from langchain_senseweave.content import BlockLimits as BlockLimits
    from langchain_senseweave.content import content_blocks as content_blocks
    from langchain_senseweave.content import multimodal_prompt as multimodal_prompt
    from langchain_senseweave.documents import document_from_hit as document_from_hit
    from langchain_senseweave.documents import document_from_media as document_from_media
    from langchain_senseweave.documents import media_from_document as media_from_document
    from langchain_senseweave.embeddings import SenseweaveEmbeddings as SenseweaveEmbeddings
    from langchain_senseweave.loaders import MediaLoader as MediaLoader
    from langchain_senseweave.loaders import MediaParser as MediaParser
    from langchain_senseweave.retrievers import SenseweaveRetriever as SenseweaveRetriever
    from langchain_senseweave.tools import create_media_retriever_tool as create_media_retriever_tool


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
