"""Documents: their text and the images of their pages, with one reader per document type."""

from senseweave.media.documents.base import DocumentReader
from senseweave.media.documents.registry import document_reader

__all__ = ["DocumentReader", "document_reader"]
