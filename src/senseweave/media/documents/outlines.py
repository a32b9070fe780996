"""The outline of plain text: the headings of Markdown, and the header of a table of comma-separated values."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import PurePath
from typing import Final

from senseweave.media.documents.base import Context
from senseweave.media.documents.parsed import clean, heading_path

MARKDOWN: Final = (".md", ".markdown", ".mdown", ".mkd", ".qmd", ".rmd")
TABLES: Final = (".csv", ".tsv", ".tab", ".psv")
SAMPLE: Final = 50
"""Rows by which a table is recognized."""
REGULAR: Final = 0.9
"""Share of them that must have as many values as the first."""
_HEADING = re.compile(r"[ ]{0,3}(#{1,6})[ \t]+(.*?)[ \t#]*$")
_UNDERLINE = re.compile(r"[ ]{0,3}(=+|-{2,})[ \t]*$")
_DASHES = re.compile(r"[ ]{0,3}\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*$")
"""The line between the header of a table and its rows."""
_FENCE = re.compile(r"[ ]{0,3}(```+|~~~+)")
_FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n(---|\.\.\.)[ \t]*\n", re.DOTALL)


def outline(text: str, name: str) -> list[Context]:
    """Return the headings of Markdown or the header of a table; none for other text.

    Args:
        text: The text of a file.
        name: Its name. What it says counts; a text without a name is judged by its lines.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix in MARKDOWN:
        return headings(text)
    if suffix in TABLES or is_table(text):
        return table_header(text)
    found = headings(text, strict=True) if suffix in ("", ".txt", ".text") else []
    return found if len(found) > 1 else []


def headings(text: str, *, strict: bool = False) -> list[Context]:
    """Return the headings and the headers of tables of a Markdown text.

    Args:
        text: The text.
        strict: Whether only lines with `#` between blank lines are headings, for text that may be anything.
    """
    matter = _FRONT_MATTER.match(text)
    position = matter.end() if matter is not None else 0
    contexts: list[Context] = []
    path: list[tuple[int, str]] = []
    fence = above = ""
    table = False
    lines = text[position:].split("\n")
    for at, line in enumerate(lines):
        start = position
        position += len(line) + 1
        if mark := _FENCE.match(line):
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1][:3]
            continue
        after = lines[at + 1] if at + 1 < len(lines) else ""
        if fence or (strict and (after.strip() or (at and lines[at - 1].strip()))):
            continue
        level, title = _heading(line, "" if strict else after)
        if table and not line.strip().startswith("|"):
            table = False
            contexts.append(Context(start, above, above))
        if not table and line.strip().startswith("|") and _DASHES.match(after):
            table = True
            header = line.strip()
            contexts.append(Context(start, above, f"{above}\n{header}" if above else header))
        if not title:
            continue
        path = [known for known in path if known[0] < level]
        before = heading_path([known for _, known in path])
        path.append((level, title))
        above = heading_path([known for _, known in path])
        contexts.append(Context(start, before, above))
    return contexts


def _heading(line: str, after: str) -> tuple[int, str]:
    """Return level and title of a heading, an empty title for other lines."""
    if match := _HEADING.match(line):
        return len(match[1]), clean(match[2])
    underlined = _UNDERLINE.match(after)
    if underlined and line.strip() and not line.startswith((" ", "\t", "-", "*", ">", "|", "`")):
        return (1 if underlined[1].startswith("=") else 2), clean(line)
    return 0, ""


def is_table(text: str) -> bool:
    """Return whether a text consists of rows with the same number of values."""
    lines = [line for line in text[: 1 << 16].split("\n")[: SAMPLE + 1] if line.strip()]
    if len(text) > 1 << 16:
        lines = lines[:-1]
    return len(lines) > 2 and any(_is_regular(lines, delimiter) for delimiter in "\t,;|")


def _is_regular(lines: list[str], delimiter: str) -> bool:
    if delimiter not in lines[0]:
        return False
    spaced = sum(line.count(f"{delimiter} ") for line in lines)
    if delimiter != "\t" and spaced > 0.5 * sum(line.count(delimiter) for line in lines):
        return False  # the commas of prose
    try:
        counts = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return False
    count, times = counts.most_common(1)[0]
    return count > 1 and times >= REGULAR * sum(counts.values())


def table_header(text: str) -> list[Context]:
    """Return the header of a table, which is its first line with words."""
    position = 0
    for line in text.split("\n"):
        if line.strip() and not line.lower().startswith("sep="):
            return [Context(position, "", line.strip("\r"))]
        position += len(line) + 1
    return []
