"""Pairs of media: read from a table, a folder with captions beside its files, or any iterable of two columns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast

from senseweave.errors import MediaError
from senseweave.media import MODALITIES, Media, MediaPolicy, Modality, Text
from senseweave.media.collecting import as_media, first_media
from senseweave.media.forms.inputs import undecoded
from senseweave.training.data.tables import TABLES, as_rows, names_file, read_table

OnError = Literal["raise", "skip"]
CAPTION_SUFFIXES: Final = (".txt", ".caption")
"""Of the file that holds the caption of the file beside it."""
CAPTION_COLUMNS: Final = ("text", "caption", "sentence", "transcript", "label")
METADATA: Final = tuple(f"metadata{suffix}" for suffix in TABLES)
"""The table of a folder with the columns `file_name` and `text`, as the datasets library names it."""
MODALITY_WORDS: Final[Mapping[str, Modality]] = {
    "text": "text", "caption": "text", "sentence": "text", "transcript": "text", "query": "text",
    "image": "image", "picture": "image", "photo": "image",
    "audio": "audio", "sound": "audio", "recording": "audio", "speech": "audio",
    "video": "video", "clip": "video",
}  # fmt: skip
"""What a column holds, by its name."""


@dataclass(frozen=True)
class Pair:
    """Two media that belong together.

    Attributes:
        source: The media of the first column.
        target: The media of the second column.
        row: The row of the input, from 1.
        group: Pairs of equal group stay on one side of every split; None for what the contents say.
    """

    source: Media
    target: Media
    row: int
    group: str | None = None


@dataclass(frozen=True)
class PairData:
    """Pairs, and what could not be read.

    Attributes:
        pairs: The pairs in the order of the rows.
        failed: An error for each row that holds no pair.
        rows: Number of rows of the input.
    """

    pairs: tuple[Pair, ...]
    failed: tuple[MediaError, ...]
    rows: int

    def __len__(self) -> int:
        return len(self.pairs)


def read_pairs(
    pairs: Any,
    *,
    columns: Sequence[str] | None = None,
    modalities: Sequence[Modality] | None = None,
    group: str | None = None,
    on_error: OnError = "skip",
    policy: MediaPolicy | None = None,
) -> PairData:
    """Read pairs of media.

    Args:
        pairs: An iterable of `(source, target)` or `(source, target, group)` or of mappings; the path of a CSV, TSV,
            JSONL or Parquet file; or a folder whose files have their captions beside them (`cat.png` and `cat.txt`), or
            in a `metadata.csv` or `metadata.jsonl` with the columns `file_name` and `text`. Paths in a table start from
            its folder.
        columns: The names of the two columns of a table or of mappings; None for its only two, else its first two.
        modalities: The modalities of both columns. None goes by the name of the column; otherwise strings are files if
            all that a column begins with exist, else texts, and other values are what their content says.
        group: A column whose equal values stay on one side of every split, such as a document or a speaker.
        on_error: `skip` to leave out rows that cannot be read, or `raise`.
        policy: What may be read.

    Returns:
        The pairs, and an error for each row that is left out.

    Raises:
        ValueError: If the input or a column is not of this form.
        MediaError: With `on_error="raise"`, for the first row that cannot be read.
    """
    if modalities is not None and (isinstance(modalities, str) or len(modalities) != 2):
        msg = f"modalities must be two of {', '.join(MODALITIES)}, not {modalities!r}"
        raise ValueError(msg)
    base: Path | None = None
    if isinstance(pairs, (str, os.PathLike)):
        path = Path(pairs)
        if path.is_dir():
            rows, columns, base, modalities = _folder_rows(path, columns, modalities)
        else:
            base = path.parent
            rows = read_table(path)
    else:
        rows = _checked_rows(pairs)
    listed = list(rows)
    names = _column_names(listed, columns, group)
    kinds = tuple(
        column_kind(
            [_cell(row, names, side) for row in listed],
            names[side] if names else None,
            modalities[side] if modalities is not None else None,
            base,
        )
        for side in (0, 1)
    )
    found: list[Pair] = []
    failed: list[MediaError] = []
    for number, row in enumerate(listed, 1):
        try:
            source, target = (cell_media(_cell(row, names, side), kinds[side], base, policy) for side in (0, 1))
            found.append(Pair(source, target, number, _group(row, group)))
        except MediaError as error:
            failed.append(error.at(number - 1, len(listed)))
            if on_error == "raise":
                raise failed[-1] from error
    return PairData(tuple(found), tuple(failed), len(listed))


def read_unpaired(given: Iterable[Any] | str | os.PathLike[str] | None, policy: MediaPolicy | None) -> list[Media]:
    """Return media without a partner: strings are texts, a path is a file or a folder, media stay as they are.

    Raises:
        MediaError: If a path cannot be read.
    """
    from senseweave.media import collect

    if given is None:
        return []
    if isinstance(given, (str, os.PathLike)):
        given = [Path(given)]
    media: list[Media] = []
    for item in given:
        if isinstance(item, str):
            media.append(Text(item))
            continue
        for found in collect([item], policy=policy):
            if isinstance(found, MediaError):
                raise found
            media.append(found)
    return media


def _checked_rows(pairs: Iterable[Any]) -> Iterator[Any]:
    named: bool | None = None
    for number, row in enumerate(as_rows(pairs), 1):
        is_row = isinstance(row, Mapping) or (isinstance(row, (tuple, list)) and len(row) in (2, 3))
        if not is_row:
            msg = f"pair {number} is {type(row).__name__}; expected (source, target), or a mapping of columns"
            raise ValueError(msg)
        if named is not None and named != isinstance(row, Mapping):
            msg = f"pair {number} is {type(row).__name__}, unlike those before; expected all tuples, or all mappings"
            raise ValueError(msg)
        named = isinstance(row, Mapping)
        yield row


def _column_names(rows: Sequence[Any], columns: Sequence[str] | None, group: str | None) -> tuple[str, str] | None:
    """Return the names of both columns; None if rows are tuples."""
    if not rows or not isinstance(rows[0], Mapping):
        if columns is not None and rows:
            msg = f"columns={tuple(columns)!r} needs rows with names; these rows are tuples"
            raise ValueError(msg)
        return None
    given = [name for name in rows[0] if name != group]
    if isinstance(columns, str) or (columns is not None and len(columns) != 2):
        msg = f"columns must be two names, such as ('image', 'caption'), not {columns!r}"
        raise ValueError(msg)
    chosen = tuple(columns) if columns is not None else tuple(given[:2])
    missing = [name for name in chosen if name not in rows[0]]
    if missing or len(chosen) < 2:
        named = f"column {', '.join(map(repr, missing))}" if missing else "second column"
        msg = f"there is no {named}; the columns are {', '.join(map(str, rows[0]))}"
        raise ValueError(msg)
    if group is not None and group not in rows[0]:
        msg = f"there is no column {group!r} to group by; the columns are {', '.join(map(str, rows[0]))}"
        raise ValueError(msg)
    return cast("tuple[str, str]", chosen)


def _cell(row: Any, names: tuple[str, str] | None, side: int) -> Any:
    if names is None:
        return row[side]
    return row.get(names[side]) if isinstance(row, Mapping) else None


def _group(row: Any, column: str | None) -> str | None:
    value = row.get(column) if isinstance(row, Mapping) and column is not None else None
    if not isinstance(row, Mapping) and len(row) == 3:
        value = row[2]
    return None if value is None else str(value)


def column_kind(
    cells: Sequence[Any], name: str | None, given: Modality | None, base: Path | None
) -> Modality | Literal["file"] | None:
    """Return what strings of a column are: a modality, `file` for a path of any kind, or None if there are none."""
    if given is not None:
        if given not in MODALITIES:
            msg = f"modalities must be two of {', '.join(MODALITIES)}, not {given!r}"
            raise ValueError(msg)
        return given
    if name is not None and name.lower() in MODALITY_WORDS:
        return MODALITY_WORDS[name.lower()]
    strings = [cell for cell in cells if isinstance(cell, str)][:50]
    if not strings:
        return None
    return "file" if all(names_file(cell, base) for cell in strings) else "text"


def cell_media(
    cell: Any, kind: Modality | Literal["file"] | None, base: Path | None, policy: MediaPolicy | None
) -> Media:
    """Return a cell as media.

    Raises:
        MediaError: If it is empty, or cannot be such media.
    """
    if is_empty(cell):
        raise MediaError("pair", "has an empty cell; expected media in both columns")
    if isinstance(cell, Media):
        return cell
    if (encoded := undecoded(cell)) is not None:
        cell = encoded
    if isinstance(cell, str) and kind != "text":
        cell = str((base or Path()) / cell) if "://" not in cell and not cell.startswith("data:") else cell
    try:
        if isinstance(cell, str) and kind == "text":
            return Text(cell)
        if kind is None and isinstance(cell, (int, float)):  # of a table; a path or a text would be a string
            return Text(str(cell))
        if kind == "text" and not isinstance(cell, (str, os.PathLike)):
            return Text(str(cell))
        if kind is None or kind in ("file", "text"):
            return _detected(cell, policy)
        return as_media(cast("Modality", kind), cell, policy)
    except (TypeError, ValueError) as error:
        raise MediaError(str(cell)[:60], f"is no {kind or 'media'}: {error}") from error


def is_empty(cell: Any) -> bool:
    """Return whether a cell of a table holds nothing: also a number that is none, as tables keep what is missing."""
    return cell is None or (isinstance(cell, str) and not cell.strip()) or (isinstance(cell, float) and cell != cell)


def _detected(cell: Any, policy: MediaPolicy | None) -> Media:
    if hasattr(cell, "convert") and hasattr(cell, "size"):  # an image of Pillow
        return as_media("image", cell, policy)
    return first_media(cell, policy)


def _folder_rows(
    folder: Path, columns: Sequence[str] | None, modalities: Sequence[Modality] | None
) -> tuple[Iterable[Any], Sequence[str] | None, Path, Sequence[Modality] | None]:
    """Return the rows of a folder, the names of their columns, where their paths start, and their modalities.

    Raises:
        ValueError: If no file of the folder has a caption.
    """
    for name in METADATA:
        if (folder / name).is_file():
            rows = list(read_table(folder / name))
            if columns is None and rows:
                caption = next((column for column in CAPTION_COLUMNS if column in rows[0]), None)
                columns = ("file_name", caption) if caption is not None else None
            return rows, columns, folder, modalities
    captioned = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
        if path.suffix.lower() in CAPTION_SUFFIXES:
            continue
        beside = [path.with_suffix(suffix) for suffix in CAPTION_SUFFIXES]
        beside += [path.with_name(path.name + suffix) for suffix in CAPTION_SUFFIXES]
        own = next((candidate for candidate in beside if candidate.is_file()), None)
        if own is not None:
            captioned.append((path, _caption(own)))
    if not captioned:
        msg = (
            f"{folder}: no file has a caption beside it ({', '.join('NAME' + suffix for suffix in CAPTION_SUFFIXES)}), "
            f"and there is no {METADATA[0]} with the columns file_name and text"
        )
        raise ValueError(msg)
    return captioned, None, folder, modalities


def _caption(path: Path) -> Media:
    words = path.read_text(encoding="utf-8", errors="replace").strip()
    return Text(words or " ", source=str(path))
