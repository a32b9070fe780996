"""senseweave in LangChain: text, images, audio and video in one embedding class, one store and one ranking.

Importing this module loads no model library and no vector store: each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_senseweave.version import __version__
from senseweave.interop import lazy_names

_HOMES = {
    "BlockLimits": "langchain_senseweave.prompting.blocks",
    "MediaCacheBackedEmbeddings": "langchain_senseweave.embeddings.cache",
    "MediaEmbeddings": "langchain_senseweave.embeddings.base",
    "MediaLoader": "langchain_senseweave.loading",
    "MediaParser": "langchain_senseweave.loading",
    "SenseweaveChroma": "langchain_senseweave.retrieval.chroma",
    "SenseweaveEmbeddings": "langchain_senseweave.embeddings.space",
    "SenseweaveRetriever": "langchain_senseweave.retrieval.retriever",
    "aadd_media_documents": "langchain_senseweave.retrieval.adding",
    "add_media_documents": "langchain_senseweave.retrieval.adding",
    "content_blocks": "langchain_senseweave.prompting.blocks",
    "create_media_retriever_tool": "langchain_senseweave.prompting.tool",
    "document_from_hit": "langchain_senseweave.items",
    "document_from_media": "langchain_senseweave.items",
    "media_from_document": "langchain_senseweave.items",
    "multimodal_prompt": "langchain_senseweave.prompting.blocks",
}

__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from langchain_senseweave.embeddings.base import MediaEmbeddings as MediaEmbeddings
    from langchain_senseweave.embeddings.cache import MediaCacheBackedEmbeddings as MediaCacheBackedEmbeddings
    from langchain_senseweave.embeddings.space import SenseweaveEmbeddings as SenseweaveEmbeddings
    from langchain_senseweave.items import document_from_hit as document_from_hit
    from langchain_senseweave.items import document_from_media as document_from_media
    from langchain_senseweave.items import media_from_document as media_from_document
    from langchain_senseweave.loading import MediaLoader as MediaLoader
    from langchain_senseweave.loading import MediaParser as MediaParser
    from langchain_senseweave.prompting.blocks import BlockLimits as BlockLimits
    from langchain_senseweave.prompting.blocks import content_blocks as content_blocks
    from langchain_senseweave.prompting.blocks import multimodal_prompt as multimodal_prompt
    from langchain_senseweave.prompting.tool import create_media_retriever_tool as create_media_retriever_tool
    from langchain_senseweave.retrieval.adding import aadd_media_documents as aadd_media_documents
    from langchain_senseweave.retrieval.adding import add_media_documents as add_media_documents
    from langchain_senseweave.retrieval.chroma import SenseweaveChroma as SenseweaveChroma
    from langchain_senseweave.retrieval.retriever import SenseweaveRetriever as SenseweaveRetriever


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
