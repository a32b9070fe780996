"""Files as LlamaIndex's documents: one node for a file, which holds the nodes of its chunks until they are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import BaseNode, MetadataMode, Node, NodeRelationship, RelatedNodeInfo
from llama_index.embeddings.senseweave.items.whole import MediaText, WholeNode, make_node

from senseweave.interop import LoadedChunk, Provenance

CHUNKS = "chunks"
"""Metadata of a file: a hash of its chunks, so that a file that is divided in another way counts as changed."""


class FileNode(WholeNode):
    """A file as a document whose id is its path: what a docstore compares, refreshes, replaces and deletes.

    `MediaNodeParser`, or a `SenseweaveEmbedding` as a transformation, puts its chunks in its place. A file that is one
    chunk, such as a photograph, can be used as it is.
    """

    _chunks: list[WholeNode] = PrivateAttr(default_factory=list)

    @property
    def doc_id(self) -> str:
        """The id of the file as a document, under the name that LlamaIndex's own documents have for it."""
        return self.id_

    def get_doc_id(self) -> str:
        """Return the id of the file as a document, as LlamaIndex's own documents do."""
        return self.id_

    @property
    def chunks(self) -> list[WholeNode]:
        """The nodes of its chunks, which name the file as their source document."""
        return self._chunks

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        """Return the node's text; for embedding models, text that names a file of several chunks."""
        text = super().get_content(metadata_mode)
        several = metadata_mode == MetadataMode.EMBED and len(self._chunks) > 1
        return MediaText(text or self.node_id, self) if several else text

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a pickle builds the file again; LlamaIndex's pickles lose private attributes."""
        node = Node(**{name: getattr(self, name) for name in Node.model_fields})
        return _copy_node, (node, self._chunks)


def file_node(parts: Sequence[tuple[LoadedChunk, WholeNode]], own: Mapping[str, Any] | None = None) -> FileNode:
    """Return the document of a file.

    Args:
        parts: The chunks of the file and their nodes, at least one.
        own: The user's metadata.
    """
    (first, node), chunks = parts[0], [node for _, node in parts]
    source = str(node.metadata["source"])
    if len(chunks) == 1:
        document = _copy_node(node, chunks, id_=source)
    else:
        hashes = list(dict.fromkeys(chunk.whole.sha256 for chunk, _ in parts))
        content = hashes[0] if len(hashes) == 1 else _digest(hashes)
        provenance = Provenance(
            first.whole.modality, source, mime_type=first.whole.mime_type, sha256=content, own=dict(own or {})
        )
        document = _copy_node(make_node(source, "", provenance, {}), chunks)
    document.metadata[CHUNKS] = _digest(f"{chunk.node_id} {chunk.hash}" for chunk in chunks)
    for field in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys"):
        setattr(document, field, [*getattr(document, field), CHUNKS])
    for chunk in chunks:
        chunk.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=source, hash=document.hash)
    return document


def divide_files(nodes: Iterable[BaseNode]) -> list[BaseNode]:
    """Return nodes with the chunks of files in the place of the files, which they name as their source document."""
    return [part for node in nodes for part in (_named_chunks(node) if isinstance(node, FileNode) else (node,))]


def _named_chunks(document: FileNode) -> list[WholeNode]:
    """Return the chunks of a file, which `SimpleDirectoryReader(filename_as_id=True)` gives another id."""
    for chunk in document.chunks:
        if chunk.ref_doc_id != document.id_:
            chunk.relationships[NodeRelationship.SOURCE] = RelatedNodeInfo(node_id=document.id_, hash=document.hash)
    return document.chunks


def _copy_node(node: Node, chunks: list[WholeNode], **changes: Any) -> FileNode:
    """Return a node as a file with its chunks."""
    values = {name: getattr(node, name) for name in Node.model_fields}
    document = FileNode(**{**values, "metadata": dict(node.metadata), **changes})
    document._chunks = chunks
    return document


def _digest(values: Iterable[str]) -> str:
    return sha256("\n".join(values).encode()).hexdigest()[:32]
