"""The ids of records, as a caller gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from senseweave.retrieval.records.values import is_unicode
from senseweave.retrieval.stores.filter_size import shown


def listed_ids(ids: Any) -> list[str]:
    """Return an id or several as a list without repeats, and without ids that no store can hold.

    Raises:
        TypeError: If they are not strings.
    """
    given = [ids] if isinstance(ids, str) else ids
    if not isinstance(given, Iterable) or isinstance(given, (bytes, bytearray, memoryview)):
        msg = f"ids must be a str or a list of str, not {shown(ids)}"
        raise TypeError(msg)
    listed = list(given)
    for identifier in listed:
        if not isinstance(identifier, str):
            msg = f"ids must be a str or a list of str, not a list with {shown(identifier)}"
            raise TypeError(msg)
    return [identifier for identifier in dict.fromkeys(listed) if is_unicode(identifier)]
