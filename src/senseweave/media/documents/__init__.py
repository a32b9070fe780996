"""Documents: their text, the images of their pages and the files inside them, with one reader per document type."""

from senseweave.media.documents.base import Context, Cue, DocumentReader, Part
from senseweave.media.documents.registry import document_reader

__all__ = ["Context", "Cue", "DocumentReader", "Part", "document_reader"]
