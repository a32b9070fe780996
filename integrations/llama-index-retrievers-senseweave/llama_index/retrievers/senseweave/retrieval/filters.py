"""LlamaIndex's metadata filters as conditions of an index, and joined with the filter on a modality for a store."""

from __future__ import annotations

from typing import Any

from llama_index.core.vector_stores.types import FilterCondition, FilterOperator, MetadataFilter, MetadataFilters

from senseweave.interop import COMPARISONS, INDEX_NAMES, NOT_TEXT, Modality, check_filter_size, listed_values


def index_condition(filters: MetadataFilters | None) -> dict[str, Any] | None:
    """Return LlamaIndex's filters in the index's own language.

    Raises:
        ValueError: If an operator has no counterpart; the message lists those that have one. Or if there are too many
            filters, or they are nested too deeply.
    """
    check_size(filters)
    return _condition(filters)


def check_size(filters: MetadataFilters | None, *, one_query: bool = False) -> None:
    """Check that filters can be translated, or that Chroma can answer them in one query, without ending the process.

    Raises:
        ValueError: If they are too many or too deep; the message names the limit.
    """
    check_filter_size(
        filters,
        lambda part: part.filters if isinstance(part, MetadataFilters) else (),
        lambda part: listed_values(part.value) if isinstance(part, MetadataFilter) else 0,
        one_query=one_query,
    )


def _condition(filters: MetadataFilters | None) -> dict[str, Any] | None:
    if filters is None or not filters.filters:
        return None
    conditions = []
    for entry in filters.filters:
        if isinstance(entry, MetadataFilters):
            if (nested := _condition(entry)) is not None:
                conditions.append(nested)
            continue
        comparison = entry.operator.name.lower()  # both name their comparisons alike
        if comparison not in COMPARISONS:
            operators = ", ".join(FilterOperator[name.upper()].value for name in COMPARISONS)
            msg = f"an index has no filter {entry.operator.value!r} (on {entry.key!r}); use one of {operators}"
            raise ValueError(msg)
        conditions.append({INDEX_NAMES.get(entry.key, entry.key): {comparison: entry.value}})
    if filters.condition is FilterCondition.NOT:
        return {"not": {"or": conditions}}
    return {"or" if filters.condition is FilterCondition.OR else "and": conditions}


def modality_filter(modality: Modality, *, missing: bool = True) -> MetadataFilter | MetadataFilters:
    """Return the condition that a node is of a modality; nodes that stock readers made name none, and are text.

    Args:
        modality: The modality.
        missing: Whether the store's "not in" also holds for nodes without the key, as in Chroma and in memory; else
            missing keys are asked for.
    """
    if modality != "text":
        return MetadataFilter(key="modality", value=modality)
    named = MetadataFilter(key="modality", value=[*map(str, NOT_TEXT)], operator=FilterOperator.NIN)
    if missing:
        return named
    empty = MetadataFilter(key="modality", value=None, operator=FilterOperator.IS_EMPTY)
    return MetadataFilters(filters=[named, empty], condition=FilterCondition.OR)


def store_filters(
    condition: MetadataFilter | MetadataFilters | None, filters: MetadataFilters | None
) -> MetadataFilters | None:
    """Return the user's filters and the condition on the modality, both of which must hold."""
    own = MetadataFilters(filters=[condition]) if isinstance(condition, MetadataFilter) else condition
    return join_filters(own, filters)


def join_filters(first: MetadataFilters | None, second: MetadataFilters | None) -> MetadataFilters | None:
    """Return filters that hold where both do; None and empty filters hold everywhere.

    They are not nested where it can be helped, since not every store takes nested filters.
    """
    given = [filters for filters in (first, second) if filters is not None and filters.filters]
    if len(given) < 2:
        return given[0] if given else None
    return MetadataFilters(filters=[part for filters in given for part in _joinable(filters)])


def check_filters(filters: Any) -> MetadataFilters | None:
    """Return filters that a user gave.

    Raises:
        TypeError: If they are no `MetadataFilters`.
    """
    if filters is None or isinstance(filters, MetadataFilters):
        return filters
    msg = f"filters must be LlamaIndex's MetadataFilters, not {type(filters).__name__}"
    raise TypeError(msg)


def _joinable(filters: MetadataFilters) -> list[MetadataFilter | MetadataFilters]:
    """Return conditions that all hold where filters do: their own, or where any of several is enough, themselves."""
    is_single = len(filters.filters) == 1 and filters.condition is FilterCondition.OR
    return list(filters.filters) if filters.condition in (None, FilterCondition.AND) or is_single else [filters]
