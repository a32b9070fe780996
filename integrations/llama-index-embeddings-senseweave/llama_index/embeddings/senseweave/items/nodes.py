"""Media as LlamaIndex nodes, and nodes as media."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from llama_index.core.base.llms.types import AudioBlock, ImageBlock, VideoBlock
from llama_index.core.schema import (
    BaseNode,
    ImageNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
)
from llama_index.embeddings.senseweave.items.files import FileNode
from llama_index.embeddings.senseweave.items.spool import PDF, media_file, media_resources, with_files
from llama_index.embeddings.senseweave.items.whole import MediaText, WholeNode, make_node

from senseweave.interop import (
    Fused,
    Media,
    MediaError,
    MediaPolicy,
    Modality,
    Provenance,
    is_kept,
    keep_word_times,
    media_provenance,
    read_metadata,
    record_id,
    source_path,
)
from senseweave.interop import as_media as core_media

MediaKind = Literal["image", "audio", "video"]
MEDIA_KINDS: tuple[MediaKind, ...] = ("image", "audio", "video")

OLD_FINGERPRINT = "senseweave_fingerprint"
"""Key under which version 0.1 kept the fingerprint, in the metadata of a node's source."""

_DATA_FIELDS = {MediaResource: "data", ImageBlock: "image", AudioBlock: "audio", VideoBlock: "video"}
"""LlamaIndex's containers of media, and the field of each that holds data in base64."""


def media_node(
    kind: MediaKind,
    source: Any,
    *,
    text: str = "",
    span: tuple[float, float] | None = None,
    page: int | None = None,
    policy: MediaPolicy | None = None,
    spool: str | Path | None = None,
    **metadata: str | int | float | bool,
) -> Node:
    """Return a node of one image, recording or video that stock LlamaIndex classes keep whole.

    Stores and docstores keep it as a `Node`. It refers to a file by its absolute path; what has no path (bytes, a file
    object, a data URI, a URL that the policy allows) is first written to a folder under the name of its content,
    because LlamaIndex does not store bytes. Its id is made from kind, source, span and page, so that the same file
    gives the same id and an `IngestionPipeline` with a docstore replaces it when its content has changed.

    Args:
        kind: `image`, `audio` or `video`.
        source: Anything that `senseweave.Image`, `Audio` or `Video` takes and that has bytes, or such media themselves.
        text: A caption or transcript that goes to the language model with the media; it does not change the vector.
        span: `(start, end)` in seconds, for a part of a recording or video.
        page: Page of a document, from 1.
        policy: What may be read.
        spool: Folder for what has no path; `senseweave` in LlamaIndex's cache folder if None.
        **metadata: Further flat values, kept with the node and shown to the language model.

    Returns:
        A node with metadata `modality, source, file_path, mime_type, sha256` and, where they apply, `start, end, page`.

    Raises:
        MediaError: If there is no such file, it is empty, or it is not of this kind.
        PolicyError: If the policy does not allow it to be read.
        ValueError: If `kind` is none of the three.
    """
    if kind not in MEDIA_KINDS:
        msg = f"kind must be one of {', '.join(MEDIA_KINDS)}, not {kind!r}"
        raise ValueError(msg)
    media = as_media(kind, source, policy).part(span=span, page=page)
    return node_from_media(media, text=text, spool=spool, metadata=metadata)


def node_from_media(
    media: Media, *, text: str = "", spool: str | Path | None = None, metadata: Mapping[str, Any] | None = None
) -> WholeNode:
    """Return the node of media that were read already, see `media_node`; of text media, a node of their words.

    Raises:
        MediaError: If the media cannot be read.
    """
    own = {**media.metadata, **(metadata or {})}
    if media.modality == "text":
        provenance = media_provenance(media, own=own)
        return make_node(_node_id(provenance), media.decode(), provenance, {})
    media.check()
    if isinstance(media, Fused):
        media = with_files(media, spool)
        provenance = media_provenance(media, own=own)
        return make_node(_node_id(provenance), text, provenance, media_resources(media, spool))
    path, mime_type = media_file(media, spool)
    provenance = media_provenance(media, own=own)
    is_label = source_path(provenance.source or "") is None and "://" not in media.source
    if is_label and media.mime_type != PDF:
        provenance = replace(provenance, source=str(path), part=None)  # a label leads no other reader to the bytes
    resource = MediaResource(path=path, mimetype=mime_type)
    return make_node(_node_id(provenance), text, provenance, {f"{media.modality}_resource": resource})


def stored_node(node: BaseNode, fingerprint: str, description: str | None = None) -> BaseNode:
    """Return what a vector store should hold of a node: a copy that names the space of its vector.

    The copy names itself as its source document where the node names none, as a photograph or a `Document` that nothing
    has split: vector stores delete by source document, and so could not replace it when it has changed. In a document
    store, though, a node that is its own source cannot be deleted, and a node whose text was added later seems to have
    changed; hence the copy.

    Args:
        node: The node.
        fingerprint: Of the space of its vector; shown to no model.
        description: Becomes the text of media that have none; of a transcript, the metadata keep when each word begins.
    """
    span = read_metadata(node.metadata).span
    metadata = keep_word_times(description, span[0] if span else 0.0, node.metadata)
    changes: dict[str, Any] = {"metadata": {**metadata, "fingerprint": fingerprint}}
    hidden = [name for name in metadata if name not in node.metadata]
    for field in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys"):
        changes[field] = [*dict.fromkeys([*getattr(node, field), *hidden, "fingerprint"])]
    if node.source_node is None:
        source = RelatedNodeInfo(node_id=node.node_id)
        changes["relationships"] = {**node.relationships, NodeRelationship.SOURCE: source}
    if _is_plain(node) and description and not node.get_content(metadata_mode=MetadataMode.NONE):
        changes["text_resource"] = MediaResource(text=description)
    return node.model_copy(update=changes)


def read_fingerprint(node: BaseNode) -> str | None:
    """Return the fingerprint of the space that embedded a node, or None where the node does not say it."""
    source = node.relationships.get(NodeRelationship.SOURCE)
    old = source.metadata.get(OLD_FINGERPRINT) if isinstance(source, RelatedNodeInfo) else None
    return read_metadata(node.metadata).fingerprint or (old if isinstance(old, str) else None)


def media_from_node(
    node: BaseNode, policy: MediaPolicy | None = None, *, metadata_mode: MetadataMode = MetadataMode.NONE
) -> Media:
    """Return the media that a node stands for: its image, sound or video if it has one, else its text.

    A node without media of its own whose metadata are those of a media record, as an index of the core or another
    integration wrote them, stands for the file that they name.

    Args:
        node: Any node or document; of audio and video, the part between metadata `start` and `end` in seconds is meant.
        policy: What may be read.
        metadata_mode: Which metadata stand before a text.

    Raises:
        MediaError: If a media resource is empty, as it is when its bytes were lost in a store, the node is a file of
            several chunks, its metadata name media without a source, or hold numbers that are no span or page, or its
            file has changed since the node was made.
        ValueError: If the node holds media of several kinds, so that one vector could not stand for it.
    """
    if isinstance(node, FileNode) and len(node.chunks) > 1:
        reason = f"is a document of {len(node.chunks)} chunks; use MediaNodeParser or the embedding model to make nodes"
        raise MediaError(node.node_id, f"{reason} of them: in the transformations of the index or the pipeline")
    resources = _resources(node)
    named = read_metadata(node.metadata)
    if (fused := named.fused_media(policy)) is not None:
        return named.check_unchanged(fused)
    if len(resources) > 1:
        kinds = " and ".join(resources)
        msg = f"node {node.node_id} holds {kinds}; make one node of each, so that each gets its vector"
        raise ValueError(msg)
    if not resources:
        return named.check_unchanged(named.media(node.get_content(metadata_mode=metadata_mode), policy=policy))
    ((kind, given),) = resources.items()
    if given is None:
        reason = f"its {kind} resource has no path, data or URL; LlamaIndex does not store bytes"
        raise MediaError(
            f"node {node.node_id}", f"{reason}: make the node with media_node(), which keeps them in a file"
        )
    provenance = read_metadata({**node.metadata, "modality": kind})
    if is_kept(given) and os.path.isfile(provenance.source or ""):
        if provenance.part is not None:
            given = None  # the resource is a copy of a file inside the source
        elif provenance.mime_type == PDF:
            given = provenance.source  # the resource is a picture of the page
    media = provenance.media(policy=policy, content=given)
    # A node may hold something else than what its metadata tell of: a sound that was cut, a picture of the user's.
    is_source = given is None or (isinstance(given, (str, Path)) and str(given) == provenance.source)
    return provenance.check_unchanged(media) if is_source else media


def is_whole(node: BaseNode) -> bool:
    """Return whether a node is not to be split: it holds media, or was made by `media_node` or `MediaReader`."""
    return _is_plain(node) or bool(_resources(node))


def as_media(modality: Modality, item: Any, policy: MediaPolicy | None) -> Media:
    """Return any input as media of a modality; for the text of a media node, the node's media.

    Raises:
        MediaError: If the input cannot be such media.
        TypeError: If it is media of another modality, or a text is not a string.
    """
    if isinstance(item, MediaText):
        return media_from_node(item.node, policy)
    return core_media(modality, _unwrap(item), policy)


def _node_id(provenance: Provenance) -> str:
    """Return the id of the record at this position of its source, whatever its content, which may change."""
    position = [str(provenance.own[name]) for name in ("character_start", "character_end") if name in provenance.own]
    return record_id(replace(provenance, sha256="-".join(position), fingerprint=None))


def _is_plain(node: BaseNode) -> bool:
    """Return whether a node is a `Node` and none of the classes that LlamaIndex derives from it."""
    return type(node) is Node or isinstance(node, WholeNode)


def _unwrap(item: Any) -> Any:
    """Return what the core reads in place of a container of LlamaIndex, None if it is empty; all else as it is."""
    if isinstance(item, BytesIO):
        return item.getvalue()  # all of it wherever it stands, and again when it is given again
    for container, field in _DATA_FIELDS.items():
        if isinstance(item, container):
            data = getattr(item, field)
            if data is not None:
                return base64.b64decode(data) if isinstance(data, bytes) else _unwrap(data)
            return item.path if item.path is not None or item.url is None else str(item.url)
    return item


def _resources(node: BaseNode) -> dict[MediaKind, Any]:
    """Return the media of a node by kind; None for a resource that is there but empty."""
    if isinstance(node, ImageNode):
        given = base64.b64decode(node.image) if node.image is not None else node.image_path or node.image_url
        return {"image": given} if node.image is not None or given else {}
    if not isinstance(node, Node):
        return {}
    resources = {kind: getattr(node, f"{kind}_resource") for kind in MEDIA_KINDS}
    return {kind: _unwrap(resource) for kind, resource in resources.items() if resource is not None}
