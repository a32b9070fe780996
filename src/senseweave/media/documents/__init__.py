"""Documents: text whose words are read, and pages that can be drawn; one reader a document type."""

from senseweave.media.documents.base import DocumentReader
from senseweave.media.documents.registry import document_reader, recognize

__all__ = ["DocumentReader", "document_reader", "recognize"]
