# SPDX-FileCopyrightText: 2026-present senseweave contributors
#
# SPDX-License-Identifier: Apache-2.0
"""Translates Haystack's filters into what Chroma answers exactly, and into the filters of a senseweave index."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any, TypeAlias

from haystack import Document
from haystack.document_stores.types import FilterPolicy
from haystack.errors import FilterError
from haystack.utils.filters import document_matches_filter

from senseweave.interop import (
    COMPARISONS,
    INDEX_NAMES,
    MODALITIES,
    NOT_TEXT,
    Modality,
    check_filter_size,
    listed_values,
)

Filters: TypeAlias = dict[str, Any]

_OPPOSITE = {
    "==": "!=",
    "!=": "==",
    "in": "not in",
    "not in": "in",
    "contains": "not contains",
    "not contains": "contains",
}
"""Exact opposites in Chroma. `>` and `<=` are not: neither matches a Document without the field."""
_ORDER = (">", ">=", "<", "<=")
_WORDS = {"contains": "$contains", "not contains": "$not_contains"}
"""What Chroma calls conditions on the content of a Document. They are exact opposites: without content, the second
holds."""
_DOCUMENT_FIELDS = {field.name for field in fields(Document)}
_INDEX_COMPARISONS = dict(zip(("==", "!=", ">", ">=", "<", "<=", "in", "not in"), COMPARISONS, strict=True))


def join_filters(*filters: Filters | None) -> Filters | None:
    """Return the filters that hold where all of several do.

    :param filters: Haystack filters; None and {} hold everywhere.
    :returns: The filters joined with AND, or None.
    """
    return _joined("AND", [each for each in filters if each])


def modality_filter(modality: Modality) -> Filters:
    """Return the filter that Documents of a modality pass; Haystack's own converters write none for text."""
    if modality == "text":
        return {"field": "meta.modality", "operator": "not in", "value": list(NOT_TEXT)}
    return {"field": "meta.modality", "operator": "==", "value": modality}


def modalities_filter(modalities: Collection[Modality] | None) -> Filters | None:
    """Return the filter that Documents of any of several modalities pass; None for all modalities."""
    if modalities is None:
        return None
    return _joined("OR", [modality_filter(modality) for modality in MODALITIES if modality in modalities])


def apply_policy(policy: FilterPolicy, own: Filters | None, given: Filters | None) -> Filters | None:
    """Return the filters of a call.

    Unlike Haystack's function, merging never drops a condition: where both are about one field, both must hold.

    :param policy: Whether the filters of the call replace those of the component or are joined with them.
    :param own: Filters of the component.
    :param given: Filters of the call.
    :returns: The filters, or None.
    """
    return join_filters(own, given) if policy == FilterPolicy.MERGE else given or own or None


def divide(filters: Filters | None) -> tuple[Filters | None, Filters | None]:
    """Return what Chroma answers exactly, and what has to be checked on the Documents that it returns.

    Chroma's integration has no NOT, ignores `id` in a search, takes `meta.a.b` for `b`, and compares neither dates nor
    None. A NOT is rewritten by De Morgan's laws where that is exact. What is too much for one query is checked, too,
    and so is an alternative between content and metadata.

    :param filters: Haystack filters, or None.
    :returns: Filters for `chroma_query` and filters for `matches`; both must hold.
    :raises haystack.errors.FilterError: If the filters are not well formed, too many or nested too deeply.
    """
    if not filters:
        return None, None
    _check_size(filters)
    if searches_content(filters):
        _check_size(filters, one_query=True)
    conditions = filters["conditions"] if filters.get("operator") == "AND" and "field" not in filters else [filters]
    pushed: list[Filters] = []
    checked: list[Filters] = []
    for condition in conditions:
        translated = _for_chroma(condition, negated=False)
        parts = [] if translated is None else _and_parts(translated)
        if parts and all(_is_of_one_kind(part) for part in parts):
            pushed += parts
        else:
            checked.append(condition)
    exact = _joined("AND", pushed)
    try:
        _check_size(exact, one_query=True)
    except FilterError:
        return None, filters
    return exact, _joined("AND", checked)


def chroma_query(pushed: Filters | None) -> tuple[Filters | None, dict[str, Any] | None]:
    """Return conditions on metadata and those on content apart, as Chroma takes them.

    Chroma's integration takes one of the two in a query, and drops or misreads the other.

    :param pushed: What `divide` returned for Chroma.
    :returns: Haystack filters on metadata, and Chroma's `where_document`; each is None where there is none.
    """
    parts = [] if pushed is None else _and_parts(pushed)
    words = _joined("AND", [part for part in parts if searches_content(part)])
    metadata = _joined("AND", [part for part in parts if not searches_content(part)])
    return metadata, None if words is None else _where_document(words)


def matches(filters: Filters, document: Document) -> bool:
    """Return whether a Document meets filters, with conditions on its content, which Haystack's own function lacks.

    :param filters: Haystack filters.
    :param document: The Document.
    :raises haystack.errors.FilterError: If the filters are not well formed.
    """
    if not searches_content(filters):
        return bool(document_matches_filter(filters, document))
    if "field" in filters:
        is_there = _searched_text(filters) in (document.content or "")
        return is_there if filters["operator"] == "contains" else not is_there
    each = (matches(condition, document) for condition in _conditions(filters))
    if filters["operator"] == "OR":
        return any(each)
    return all(each) if filters["operator"] == "AND" else not all(each)


def for_index(filters: Filters | None) -> Filters | None:
    """Return filters as `senseweave.Index.search` takes them.

    :param filters: Haystack filters, or None.
    :returns: The index's filter, or None.
    :raises haystack.errors.FilterError: If the filters are not well formed, too many or nested too deeply, or the
        index has no such condition.
    """
    _check_size(filters)
    return _for_index(filters)


def _check_size(filters: Filters | None, *, one_query: bool = False) -> None:
    """Check that filters can be translated, or that Chroma can answer them in one query, without ending the process."""

    def parts(part: Any) -> list[Any]:
        inside = part.get("conditions") if isinstance(part, dict) else None
        return inside if isinstance(inside, list) else []

    try:
        check_filter_size(
            filters,
            parts,
            lambda part: listed_values(part.get("value")) if isinstance(part, dict) else 0,
            one_query=one_query,
        )
    except ValueError as error:
        raise FilterError(str(error)) from error


def _for_index(filters: Filters | None) -> Filters | None:
    if not filters:
        return None
    operator = _entry(filters, "operator", str)
    if "field" not in filters:
        conditions = [_for_index(each) for each in _conditions(filters)]
        if not conditions:
            return None
        return {"not": {"and": conditions}} if operator == "NOT" else {operator.lower(): conditions}
    name = filters["field"].removeprefix("meta.")
    if operator not in _INDEX_COMPARISONS or filters["field"] in _DOCUMENT_FIELDS:
        msg = f"a senseweave index has no condition {operator!r} on {filters['field']!r}"
        raise FilterError(msg)
    return {INDEX_NAMES.get(name, name): {_INDEX_COMPARISONS[operator]: _entry(filters, "value")}}


def _for_chroma(condition: Filters, *, negated: bool) -> Filters | None:
    """Return a condition, or its opposite, in what Chroma answers exactly; None where there is none."""
    operator = _entry(condition, "operator", str)
    if "field" in condition:
        return _comparison(condition, operator, negated=negated)
    negated = negated != (operator == "NOT")
    translated = [_for_chroma(each, negated=negated) for each in _conditions(condition)]
    known = [each for each in translated if each is not None]
    if len(known) < len(translated) or not known:
        return None
    any_of = (operator == "OR") != negated
    return _joined("OR" if any_of else "AND", known)


def _comparison(condition: Filters, operator: str, *, negated: bool) -> Filters | None:
    value = _entry(condition, "value")
    name = condition["field"].removeprefix("meta.")
    if searches_content(condition):
        _searched_text(condition)
        return {**condition, "operator": _OPPOSITE[operator] if negated else operator}
    # Chroma's integration takes `meta.id` and `meta.content` for the id and the content of the Document.
    if "." in name or name in ("id", "content") or (name == condition["field"] and name in _DOCUMENT_FIELDS):
        return None
    if operator in _ORDER:
        exact = isinstance(value, int | float) and not isinstance(value, bool) and not negated
    elif operator in ("in", "not in"):
        kinds = {type(each) for each in value} if isinstance(value, list) else set()
        exact = len(kinds) == 1 and kinds <= {str, int, float, bool}
    elif operator in ("==", "!="):
        exact = isinstance(value, str | int | float | bool)
    else:
        exact = not negated
    if not exact:
        return None
    return {**condition, "operator": _OPPOSITE[operator] if negated else operator}


def searches_content(filters: Filters) -> bool:
    """Return whether a filter has a condition on the words of a Document."""
    if "field" in filters:
        return filters["field"] == "content" and filters.get("operator") in _WORDS
    return any(searches_content(each) for each in filters.get("conditions", []))


def _is_of_one_kind(filters: Filters) -> bool:
    """Return whether all conditions of a filter are on content, or all on metadata."""
    if "field" in filters:
        return True
    conditions = filters["conditions"]
    return len({searches_content(each) for each in conditions}) == 1 and all(map(_is_of_one_kind, conditions))


def _and_parts(filters: Filters) -> list[Filters]:
    """Return the conditions that must all hold, those of an AND inside an AND in its place."""
    if "field" in filters or filters["operator"] != "AND":
        return [filters]
    return [part for each in filters["conditions"] for part in _and_parts(each)]


def _where_document(filters: Filters) -> dict[str, Any]:
    """Return conditions on content, joined by AND and OR, as Chroma takes them."""
    if "field" in filters:
        return {_WORDS[filters["operator"]]: filters["value"]}
    return {f"${filters['operator'].lower()}": [_where_document(each) for each in filters["conditions"]]}


def _searched_text(condition: Filters) -> str:
    """Return the text that a condition on content looks for, or raise a `FilterError` if it is none."""
    value = _entry(condition, "value")
    if not isinstance(value, str) or not value:
        msg = f"{condition['operator']!r} on content expects a text that is not empty, not {value!r}"
        raise FilterError(msg)
    return value


def _conditions(condition: Filters) -> list[Filters]:
    if condition["operator"] not in ("AND", "OR", "NOT"):
        msg = f"unknown logical operator {condition['operator']!r}; there are AND, OR, NOT"
        raise FilterError(msg)
    return list(_entry(condition, "conditions", list))


def _entry(condition: Any, name: str, kind: type = object) -> Any:
    """Return what a condition holds under a name, or raise a `FilterError` if that is nothing of a type."""
    if not isinstance(condition, dict) or name not in condition or not isinstance(condition[name], kind):
        msg = f"{name!r} key missing in {condition}"
        raise FilterError(msg)
    return condition[name]


def _joined(operator: str, conditions: list[Filters]) -> Filters | None:
    if len(conditions) < 2:
        return conditions[0] if conditions else None
    return {"operator": operator, "conditions": conditions}
