"""Between a `senseweave.Index` and LlamaIndex: its hits as nodes, LlamaIndex's filters as its conditions."""

from __future__ import annotations

from typing import Any

from llama_index.core.bridge.pydantic import AnyUrl
from llama_index.core.schema import MediaResource, Node, NodeWithScore
from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilters
from llama_index.embeddings.senseweave.nodes import whole_node
from llama_index.embeddings.senseweave.spool import file_of

from senseweave.errors import MediaError
from senseweave.retrieval import Hit

_OPERATORS = {
    FilterOperator.EQ: "eq",
    FilterOperator.NE: "ne",
    FilterOperator.GT: "gt",
    FilterOperator.GTE: "gte",
    FilterOperator.LT: "lt",
    FilterOperator.LTE: "lte",
    FilterOperator.IN: "in",
    FilterOperator.NIN: "nin",
}


def node_of_hit(hit: Hit) -> NodeWithScore:
    """Return a hit as a node: its media by path or URL, with the transcript or labels as text."""
    details: dict[str, Any] = {**hit.metadata, "modality": hit.modality, "source": hit.source}
    if hit.sha256 is not None:
        details["sha256"] = hit.sha256
    if hit.span is not None:
        details["start"], details["end"] = hit.span
    if hit.page is not None:
        details["page"] = hit.page
    resources = {} if hit.modality == "text" else _resource(hit)
    node: Node = whole_node(hit.id, hit.text, details, resources)
    return NodeWithScore(node=node, score=hit.score)


def condition_of(filters: MetadataFilters | None) -> dict[str, Any] | None:
    """Return LlamaIndex's filters in the index's own language.

    Raises:
        ValueError: If an operator has no counterpart; the message lists those that have one.
    """
    if filters is None or not filters.filters:
        return None
    parts = []
    for one in filters.filters:
        if isinstance(one, MetadataFilters):
            if (nested := condition_of(one)) is not None:
                parts.append(nested)
            continue
        if one.operator not in _OPERATORS:
            known = ", ".join(operator.value for operator in _OPERATORS)
            msg = f"an index has no filter {one.operator.value!r} (on {one.key!r}); it has {known}"
            raise ValueError(msg)
        parts.append({one.key: {_OPERATORS[one.operator]: one.value}})
    if filters.condition is FilterCondition.NOT:
        return {"not": {"or": parts}}
    return {"or" if filters.condition is FilterCondition.OR else "and": parts}


def _resource(hit: Hit) -> dict[str, Any]:
    """The media of a hit; none where the index kept no copy or the file has gone, for either would end a synthesis."""
    if "://" in hit.source:
        return {f"{hit.modality}_resource": MediaResource(url=AnyUrl(hit.source), mimetype=hit.mime_type)}
    try:
        path, mime_type = file_of(hit.media)
    except MediaError:
        return {}
    return {f"{hit.modality}_resource": MediaResource(path=path, mimetype=mime_type)}
