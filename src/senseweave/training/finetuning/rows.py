"""Training data as rows of media: what each loss needs, checked before anything is trained."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from senseweave.errors import MediaError
from senseweave.media import Media, MediaPolicy, Text
from senseweave.training.data.pairs import cell_media, column_kind, is_empty
from senseweave.training.data.splits import group_rows, hold_out, media_keys
from senseweave.training.data.tables import as_rows, read_table
from senseweave.training.finetuning.losses import LABEL, LOSSES

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "anchor": ("anchor", "query", "question", "text", "sentence", "sentence1", "sentence_a", "caption", "source"),
    "positive": ("positive", "answer", "document", "passage", "image", "target", "translation", "sentence2"),
    "other": ("other", "positive", "sentence2", "sentence_b", "answer", "document", "passage", "image", "target"),
    "negative": ("negative", "hard_negative"),
    LABEL: (LABEL, "score", "labels", "similarity"),
}
"""Names under which a column is found in data with named columns; the first that is there wins."""
OPTIONAL: Final[Mapping[str, frozenset[str]]] = {
    "mnrl": frozenset({"negative"}),
    "simcse": frozenset(),
    "distill": frozenset({"positive"}),
}
"""Columns that a loss takes and does not need."""
FEWEST_HELD_OUT: Final = 5
FEWEST_FOR_STOPPING: Final = 100
"""Rows below which none are set aside to decide when to stop."""
STOPPING_SHARE: Final = 0.1


def make_rows(
    data: Iterable[Any] | str | os.PathLike[str],
    loss: str,
    *,
    columns: Mapping[str, str] | None = None,
    policy: MediaPolicy | None = None,
) -> list[dict[str, Any]]:
    """Return rows with the columns of a loss.

    Args:
        data: Rows as mappings with named columns, or as tuples in the order of the loss's columns (the label last).
            Strings are texts; pictures are `senseweave.Image`. Or the path of a CSV, TSV, JSON lines or Parquet file,
            whose columns `image`, `picture` and the like hold paths that start from its folder.
        loss: Name of the loss.
        columns: The data's names of columns, by the loss's; found by usual names if None.
        policy: Of media that are made here.

    Raises:
        ValueError: If there are no rows, a column is missing, or a label is none of the loss; the message names
            the row.
        TypeError: If an item is neither a string nor media.
        MediaError: If a file of a table cannot be read as what its column holds.
    """
    wanted = [*LOSSES[loss].columns, *(["positive"] if loss == "distill" else [])]
    needed = [name for name in wanted if name not in OPTIONAL.get(loss, frozenset())]
    if LOSSES[loss].label is not None:
        wanted, needed = [*wanted, LABEL], [*needed, LABEL]
    _check_columns(columns, wanted)
    rows: list[dict[str, Any]] = []
    given_rows = _table(Path(data), policy) if isinstance(data, (str, os.PathLike)) else as_rows(data)
    for number, given in enumerate(given_rows, 1):
        found = _named(given, wanted, columns) if isinstance(given, Mapping) else _placed(given, wanted)
        missing = [name for name in needed if found.get(name) is None]
        if missing:
            label = f"; {LABEL} is {LOSSES[loss].label}" if LABEL in missing else ""
            there = (
                f"the row has {', '.join(map(str, given))}"
                if isinstance(given, Mapping)
                else "it has fewer values, or None"
            )
            msg = (
                f"row {number} has no {', '.join(missing)}, which the loss {loss!r} needs{label}; {there}, and "
                f"columns= (--column {missing[0]}=NAME) says where a column is"
            )
            raise ValueError(msg)
        rows.append(
            {
                name: _label(loss, value, number) if name == LABEL else _item(name, value, number, policy)
                for name, value in found.items()
                if value is not None
            }
        )
    if not rows:
        msg = "there are no rows"
        raise ValueError(msg)
    names = set(rows[0])
    for number, row in enumerate(rows, 1):
        if set(row) != names:
            msg = f"row {number} has the columns {', '.join(row)}, and the first {', '.join(rows[0])}"
            raise ValueError(msg)
    return rows


def _check_columns(columns: Mapping[str, str] | None, wanted: Sequence[str]) -> None:
    """Check that columns are named by the loss's names for them."""
    if columns is None:
        return
    if not isinstance(columns, Mapping) or (unknown := sorted(set(columns) - set(wanted))):
        given = ", ".join(map(repr, unknown)) if isinstance(columns, Mapping) else repr(columns)
        msg = (
            f"columns must give the data's names by {', '.join(wanted)}, such as {{{wanted[0]!r}: 'title'}}, "
            f"not by {given}"
        )
        raise ValueError(msg)


def _table(path: Path, policy: MediaPolicy | None) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table, with media in place of the paths in columns whose names say that they hold files."""
    for number, row in enumerate(read_table(path), 1):
        named: dict[str, Any] = {}
        for name, value in row.items():
            kind = column_kind([], name, None, path.parent)
            try:
                is_file = kind not in (None, "text") and not is_empty(value)
                named[name] = cell_media(value, kind, path.parent, policy) if is_file else value
                if is_empty(value):
                    named[name] = None
            except MediaError as error:
                raise MediaError(error.source, f"row {number} of {path.name}: {error.reason}") from error
        yield named


def _named(given: Mapping[str, Any], wanted: Sequence[str], columns: Mapping[str, str] | None) -> dict[str, Any]:
    row: dict[str, Any] = {}
    taken: set[str] = set()
    for name in wanted:
        names = (columns[name],) if columns is not None and name in columns else NAMES[name]
        found = next((key for key in names if key in given and key not in taken), None)
        if found is not None:
            taken.add(found)
            row[name] = given[found]
    return row


def _placed(given: Any, wanted: Sequence[str]) -> dict[str, Any]:
    if isinstance(given, (str, Media)):
        given = (given,)
    if not isinstance(given, Sequence):
        msg = f"a row must be a mapping or a tuple of {', '.join(wanted)}, not {type(given).__name__}"
        raise TypeError(msg)
    values = list(given)
    if len(values) > len(wanted):
        msg = f"a row has {len(values)} values, and the loss takes {len(wanted)}: {', '.join(wanted)}"
        raise ValueError(msg)
    if wanted[-1] == LABEL:
        return {**dict(zip(wanted[:-1], values[:-1], strict=False)), LABEL: values[-1]}
    return dict(zip(wanted, values, strict=False))


def _label(loss: str, value: Any, number: int) -> float:
    try:
        label = float(value)
    except (TypeError, ValueError):
        label = math.nan
    if not math.isfinite(label):
        msg = f"row {number}: {LABEL} must be a finite number, not {value!r}"
        raise ValueError(msg)
    if not LOSSES[loss].fits(label):
        msg = f"row {number}: {LABEL} is {value!r}; expected {LOSSES[loss].label}"
        raise ValueError(msg)
    return label


def _item(name: str, value: Any, number: int, policy: MediaPolicy | None) -> Any:
    if isinstance(value, Media):
        return value
    if isinstance(value, str):
        if not value.strip():
            msg = f"row {number}: {name} is an empty text"
            raise ValueError(msg)
        return Text(value, policy=policy)
    msg = f"row {number}: {name} must be a string or media, not {type(value).__name__}"
    raise TypeError(msg)


def split_rows(
    rows: Sequence[dict[str, Any]], validation: float, seed: int, *, stop: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows to train on, rows that decide when to stop, and rows held back; no item is on two sides.

    Raises:
        ValueError: If too few rows can be held back.
    """
    groups = group_rows([_keys(row) for row in rows])
    heldout, trained = _parted(rows, groups, validation, seed)
    stopping: list[dict[str, Any]] = []
    if stop and len(rows) >= FEWEST_FOR_STOPPING:
        stopping, trained = _parted(trained, group_rows([_keys(row) for row in trained]), STOPPING_SHARE, seed)
    if len(heldout) < FEWEST_HELD_OUT or len(trained) < 2:
        msg = (
            f"{len(rows)} rows in {groups.max() + 1} groups that share no item leave {len(heldout)} to hold back and "
            f"{len(trained)} to train on; at least {FEWEST_HELD_OUT} and 2 are needed"
        )
        raise ValueError(msg)
    return trained, stopping, heldout


def _keys(row: Mapping[str, Any]) -> list[Hashable]:
    """Return what identifies the items of a row, mined negatives aside."""
    items = (item for name, item in row.items() if name != LABEL and not name.startswith("negative"))
    return [key for item in items for key in media_keys(item)]


def _parted(
    rows: Sequence[dict[str, Any]], groups: np.ndarray, share: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a share of the rows, by groups, and the rest."""
    aside = hold_out(groups, share, seed)
    sides: tuple[list[dict[str, Any]], list[dict[str, Any]]] = [], []
    for row, out in zip(rows, aside, strict=True):
        sides[0 if out else 1].append(row)
    return sides
