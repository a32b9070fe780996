"""Between media and LlamaIndex nodes: `media_node` makes nodes that stock classes keep whole, `media_of` reads them."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
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
from llama_index.embeddings.senseweave.marked import MediaText, mark
from llama_index.embeddings.senseweave.spool import file_of

from senseweave.errors import MediaError
from senseweave.media import MEDIA_OF, Media, MediaPolicy, Modality, Text
from senseweave.media.base import source_name

MediaKind = Literal["image", "audio", "video"]
MEDIA_KINDS: tuple[MediaKind, ...] = ("image", "audio", "video")

PLACE_KEYS = ("start", "end", "page")
"""Metadata that say where in its source a node is: for the language model to cite, not for an embedding model."""
NOISE_KEYS = ("sha256", *PLACE_KEYS, "character_start", "character_end")
"""Metadata that tell nodes apart but mean nothing to an embedding model."""

FINGERPRINT = "senseweave_fingerprint"
"""Key in the metadata of a node's source that says which space embedded the node."""

_BLOCKS: dict[type[ImageBlock] | type[AudioBlock] | type[VideoBlock], str] = {
    ImageBlock: "image",
    AudioBlock: "audio",
    VideoBlock: "video",
}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://pypi.org/project/senseweave/")


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
    """Make a node of one image, recording or video that stock LlamaIndex classes keep whole.

    The node is exactly a `Node`. It refers to a file by its absolute path; what has no path (bytes, a file object, a
    data URI, a URL that the policy allows) is first written to a folder under the name of its content, because
    LlamaIndex does not store bytes. Its id is made from kind, path, span and page, so that the same file gives the
    same id and an `IngestionPipeline` with a docstore replaces it when its content has changed.

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
        A node with metadata `modality, source, sha256` and, where they apply, `start, end, page`.

    Raises:
        MediaError: If there is no such file, it is empty, or it is not of this kind.
        PolicyError: If the policy does not allow it to be read.
        ValueError: If `kind` is none of the three.
    """
    if kind not in MEDIA_KINDS:
        msg = f"kind must be one of {', '.join(MEDIA_KINDS)}, not {kind!r}"
        raise ValueError(msg)
    media = as_media(kind, source, policy).part(span=span, page=page)
    return node_of(media, text=text, spool=spool, metadata=metadata)


def node_of(
    media: Media,
    *,
    text: str = "",
    spool: str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Node:
    """Make the node of media that were read already, see `media_node`; of text media, a node of their words.

    Raises:
        MediaError: If the media cannot be read.
    """
    details = {**media.metadata, **(metadata or {}), "modality": media.modality, "source": source_name(media)}
    details["sha256"] = media.sha256
    resources: dict[str, Any] = {}
    if media.modality == "text":
        place: str = details["source"]
        text = media.decode()
    else:
        media.check()
        path, mime_type = file_of(media, spool)
        place = str(path)
        resources[f"{media.modality}_resource"] = MediaResource(path=path, mimetype=mime_type)
    if media.span is not None:
        details["start"], details["end"] = media.span
    if media.page is not None:
        details["page"] = media.page
    parts = [details.get(key) for key in ("start", "end", "page", "character_start", "character_end")]
    return whole_node(str(uuid.uuid5(_NAMESPACE, repr((media.modality, place, parts)))), text, details, resources)


def whole_node(id_: str, text: str, details: dict[str, Any], resources: dict[str, Any]) -> Node:
    """Make a node in the one shape that stock classes keep whole.

    Args:
        id_: The node's id.
        text: A caption, a transcript or the text itself; may be empty.
        details: Flat metadata.
        resources: At most one of `image_resource`, `audio_resource`, `video_resource`, with a path or URL.
    """
    # Of a media node something must be left to embed, or an index takes it for empty.
    noise = NOISE_KEYS if resources else (*NOISE_KEYS, "modality", "source")
    values: dict[str, Any] = {
        "id_": id_,
        # Must exist, though empty: without it `Node.get_content` leaves the metadata out, an index skips the node, and
        # caches take all such nodes for one.
        "text_resource": MediaResource(text=text),
        "metadata": details,
        "excluded_embed_metadata_keys": [key for key in noise if key in details],
        "excluded_llm_metadata_keys": [key for key in NOISE_KEYS if key in details and key not in PLACE_KEYS],
        **resources,
    }
    node = Node(**values)
    if resources:
        mark(node)
    return node


def stored_form(node: BaseNode, fingerprint: str, description: str | None = None) -> BaseNode:
    """Return what a vector store should hold of a node: a copy that says whose vector it has.

    The copy of a `Node` names itself as its source document where it names none: vector stores delete by source
    document, and so could not replace it when its file has changed. In a document store, though, a node that is its own
    source cannot be deleted, and one whose text was added later seems to have changed; hence the copy. Other nodes
    without a source are returned themselves.

    Args:
        node: The node.
        fingerprint: Of the space of its vector; kept with its source, which neither changes its hash nor its text.
        description: Becomes the text of media that have none.
    """
    source = node.source_node
    if source is None and type(node) is not Node:
        return node
    source = source or RelatedNodeInfo(node_id=node.node_id)
    source = source.model_copy(update={"metadata": {**source.metadata, FINGERPRINT: fingerprint}})
    changes: dict[str, Any] = {"relationships": {**node.relationships, NodeRelationship.SOURCE: source}}
    if type(node) is Node and description and not node.get_content():
        changes["text_resource"] = MediaResource(text=description)
    return node.model_copy(update=changes)


def fingerprint_of(node: BaseNode) -> str | None:
    """Return the fingerprint of the space that embedded a node, or None where `stored_form` did not make it."""
    source = node.relationships.get(NodeRelationship.SOURCE)
    found = source.metadata.get(FINGERPRINT) if isinstance(source, RelatedNodeInfo) else None
    return found if isinstance(found, str) else None


def media_of(node: BaseNode, policy: MediaPolicy | None = None) -> Media:
    """Return what of a node is to be embedded: its image, sound or video if it has one, else its text.

    Args:
        node: Any node or document; of audio and video, the part between metadata `start` and `end` in seconds is meant.
        policy: What may be read.

    Raises:
        MediaError: If a media resource is empty, as is one whose bytes were lost in a store.
        ValueError: If the node holds media of several kinds, so that one vector could not stand for it.
    """
    found = _resources(node)
    if not found:
        return Text(node.get_content(metadata_mode=MetadataMode.EMBED))
    if len(found) > 1:
        msg = f"node {node.node_id} holds {' and '.join(found)}; make one node of each, so that each gets its vector"
        raise ValueError(msg)
    ((kind, given),) = found.items()
    if given is None:
        reason = (
            f"its {kind} resource has no path, data or URL; LlamaIndex does not store bytes: "
            "make the node with media_node(), which keeps them in a file"
        )
        raise MediaError(f"node {node.node_id}", reason)
    span = _span(node.metadata) if kind != "image" else None
    page = node.metadata.get("page")
    page = page if kind == "image" and type(page) is int and page >= 1 else None
    return MEDIA_OF[kind](given, policy=policy, span=span, page=page)


def is_whole(node: BaseNode) -> bool:
    """Whether a node is not to be split: because it holds media, or was made by `media_node` or `MediaReader`."""
    return type(node) is Node or bool(_resources(node))


def as_media(modality: Modality, item: Any, policy: MediaPolicy | None) -> Media:
    """Take any input as media of a modality; media of that modality pass as they are, a media node's text is its media.

    Raises:
        MediaError: If it is nothing that can be such media.
        TypeError: If it is media of another modality, or a text is not a string.
    """
    if isinstance(item, MediaText):
        return media_of(item.node, policy)
    if isinstance(item, Media):
        if item.modality != modality:
            msg = f"expected {modality}, but was given {item!r}"
            raise TypeError(msg)
        return item
    return Text(item) if modality == "text" else MEDIA_OF[modality](unwrapped(item), policy=policy)


def unwrapped(item: Any) -> Any:
    """Return what the core reads in place of LlamaIndex's own media types; anything else passes as it is.

    Args:
        item: A `MediaResource`, an image, audio or video content block, a `BytesIO`, or any other input.
    """
    if isinstance(item, BytesIO):
        return item.getvalue()  # all of it wherever it stands, and again when it is given again
    if isinstance(item, MediaResource):
        return _given(item.data, item.path, item.url)
    for block, field in _BLOCKS.items():
        if isinstance(item, block):
            return _given(getattr(item, field), item.path, item.url)
    return item


def _resources(node: BaseNode) -> dict[MediaKind, Any]:
    """The media of a node by kind; None for a resource that is there but empty."""
    if isinstance(node, ImageNode):
        if node.image is not None:
            return {"image": base64.b64decode(node.image)}
        return {"image": given} if (given := node.image_path or node.image_url) else {}
    if not isinstance(node, Node):
        return {}
    resources = {"image": node.image_resource, "audio": node.audio_resource, "video": node.video_resource}
    return {
        kind: _given(resource.data, resource.path, resource.url)
        for kind in MEDIA_KINDS
        if (resource := resources[kind]) is not None
    }


def _given(data: Any, path: Path | None, url: Any) -> Any:
    if isinstance(data, bytes):
        return base64.b64decode(data)  # LlamaIndex keeps bytes in base64
    if data is not None:
        return unwrapped(data)
    if path is not None:
        return path
    return str(url) if url is not None else None


def _span(metadata: Mapping[str, Any]) -> tuple[float, float] | None:
    start, end = metadata.get("start"), metadata.get("end")
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (start, end))
    return (float(start), float(end)) if numbers and start is not None and end is not None else None
