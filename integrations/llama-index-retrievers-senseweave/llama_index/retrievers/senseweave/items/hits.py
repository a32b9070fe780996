"""Hits of a `senseweave.Index` and records of other writers as nodes that stock classes keep whole."""

from __future__ import annotations

from collections.abc import Callable

from llama_index.core.bridge.pydantic import AnyUrl
from llama_index.core.schema import BaseNode, MediaResource, TextNode
from llama_index.embeddings.senseweave.items.shown import MATCHED_WORDS
from llama_index.embeddings.senseweave.items.spool import media_resources
from llama_index.embeddings.senseweave.items.whole import make_node

from senseweave.interop import Hit, Media, MediaError, MediaPolicy, Provenance, read_metadata, source_path, with_result


def node_from_hit(hit: Hit) -> BaseNode:
    """Return a hit as a node: its media by path or URL, with the transcript or labels as text."""
    provenance = hit.provenance
    resources = {} if hit.modality == "text" else _resources(provenance, lambda: hit.media)
    return make_node(hit.id, hit.text, provenance, resources)


def complete_node(node: BaseNode, policy: MediaPolicy) -> BaseNode:
    """Return a node with the media that its metadata name, where the core or another integration wrote it.

    LlamaIndex's vector stores read records of others as plain `TextNode`s, without an image, sound or video.
    """
    provenance = read_metadata(node.metadata)
    if type(node) is not TextNode or provenance.modality == "text" or provenance.source is None:
        return node
    resources = _resources(provenance, lambda: provenance.media(policy=policy))
    return make_node(node.node_id, node.text, provenance, resources)


def with_matched_words(node: BaseNode, hit: Hit) -> BaseNode:
    """Return a node whose metadata name the words of a search that are written in it, for people and not for models."""
    if not hit.matched_words:
        return node
    metadata = with_result(node.metadata, {MATCHED_WORDS: list(hit.matched_words)})
    hidden = {
        name: [*getattr(node, name), MATCHED_WORDS]
        for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
    }
    return node.model_copy(update={"metadata": metadata, **hidden})


def _resources(provenance: Provenance, read: Callable[[], Media]) -> dict[str, MediaResource]:
    """Return the resource of media by its field; none where the file cannot be read, which would end a synthesis."""
    source = provenance.source or ""
    if "://" in source and source_path(source) is None:
        return {f"{provenance.modality}_resource": MediaResource(url=AnyUrl(source), mimetype=provenance.mime_type)}
    try:
        return media_resources(read())
    except MediaError:
        return {}
