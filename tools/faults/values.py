"""Hostile values in exports, filters, metadata and names: a line of error and nothing written, or taken exactly."""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from figures import Figures
from processes import Child, Tell, run
from records import held, open_index
from test_filter_limits import EXACT, FEW, LONG, REFUSED, found
from test_filter_limits import values as numbered
from test_hostile_export import WRONG, sealed

import senseweave as sw
from senseweave.media.forms.local_names import stored_name

EXPORTS: Final = 110
"""Of the wrong values of exports, drawn by chance; the tests take all of them, on a store in memory."""
SECONDS: Final = 60.0
"""What one value may take."""
METADATA: Final[dict[str, Any]] = {
    "an empty name": {"": 1},
    "a name of the store": {"chroma:document": "x"},
    "an operator": {"$and": [1]},
    "a number as a name": {3: 4},
    "a lone surrogate": {"a": "\ud800"},
    "a lone surrogate in a name": {"\udfff": 1},
    "not a number": {"a": math.nan},
    "infinity": {"a": -math.inf},
    "65 bits": {"a": 2**64},
    "ten thousand digits": {"a": 10**10_000},
    "a list": {"a": [1]},
    "a dict": {"a": {"b": 1}},
    "bytes": {"a": b"x"},
    "an object": {"a": object()},
    "an array": {"a": np.arange(3)},
    "a complex number": {"a": 1j},
    "a reserved name": {"source": "x"},
    "a list of pairs": [("a", 1)],
    "NUL": {"a": "x\0y"},
    "escapes": {"a": "\x1b[2J\u202e\x9b", "\x1b[31m": "red"},
    "SQL": {"a'; drop table embeddings; --": "'); delete from collections; --"},
    "a million characters": {"a": "x" * 1_000_000},
    "a long name": {"n" * 3000: 1},
    "a thousand names": {f"n{n}": n for n in range(1000)},
}
NAMES: Final = (
    b"bad\xff\xfe.txt",
    b"\xed\xa0\x80.txt",
    "line\nbreak.txt",
    "\x1b[2J\x1b[31mred.txt",
    "\u202etxt.exe",
    "\u2066\u2069.txt",
    "\x9b31m.txt",
    "'; drop table embeddings; --.txt",
    '"quoted" $(id) `id`.txt',
    "-rf.txt",
    "%s%n{0}.txt",
    "[bold red]markup[/].txt",
    "n" * 250 + ".txt",
    "e\u0301\u00e9.txt",
    "\U0001f600\u200d\U0001f4bb.txt",
    "senseweave.lock.txt",
    "chroma.sqlite3.txt",
    "http:__evil.txt",
    " leading and trailing .txt",
    "tab\there\r.txt",
)
Case = tuple[str, Callable[[sw.Index, Path], list[str]]]


def hostile_values(place: Path, seed: int) -> Figures:
    """Give each value to an index in a folder, in children; one that dies is followed by another."""
    figures = Figures("hostile values")
    folder = place / "index"
    lines = figures.take(run(lambda: _make(folder, place / "whole.jsonl"), 120), "preparation")
    cases = list(_cases(lines or [], random.Random(seed)))
    at = 0
    while lines and at < len(cases):
        child = Child(lambda tell, start=at: _try_all(folder, place, cases[start:], tell))
        outcome = child.finish(SECONDS * 10)
        answered = [told for told in child.told if isinstance(told, list)]
        for name, wrong in answered:
            figures.count("wrong", f"{name}: {wrong[:1]}", int(bool(wrong)))
        at += len(answered)
        if outcome.ending != "done":
            figures.take(outcome, cases[min(at, len(cases) - 1)][0])
            at += 1
    figures.tries = at
    figures.notes.append("exports, filters, metadata, file names")
    return figures


def _make(folder: Path, path: Path) -> list[Any]:
    """Make the index whose values are tried, and return the lines of an export."""
    with open_index(folder, ("text",)) as index:
        index.add([sw.Text(f"note {n}", source=f"s{n}", metadata={"n": n}) for n in range(5)])
        index.export(path)
        index.delete(sources=[f"s{n}" for n in range(5)])
        index.add([sw.Text(f"text {n}", source=f"s{n}", metadata=numbered(n)) for n in range(FEW)])
    return [json.loads(line) for line in path.read_text().splitlines()][:-1]


def _try_all(folder: Path, place: Path, cases: list[Case], tell: Tell) -> None:
    with open_index(folder, ("text",)) as index:
        before = held(index)
        for name, case in cases:
            wrong = case(index, place)
            tell([name, wrong if held(index) == before else [*wrong, "the index has changed"]])


def _cases(lines: list[Any], chance: random.Random) -> Iterator[Case]:
    for name, line, where, value in chance.sample(WRONG, EXPORTS):
        yield f"export: {name}", lambda index, place, args=(lines, line, where, value): _import(index, place, *args)
    for name, (condition, expected) in {**LONG, **EXACT}.items():
        yield f"filter: {name}", lambda index, _, c=condition, e=expected: _filtered(index, c, list(e))
    for name, (condition, _) in REFUSED.items():
        yield f"filter: {name}", lambda index, _, c=condition: _refused(lambda: index.search("text", filter=c))
    for name, metadata in METADATA.items():
        yield f"metadata: {name}", lambda index, _, m=metadata: _taken_or_refused(index, m)
    for name in NAMES:
        yield f"name: {name!r}", lambda index, place, name=name: _named(index, place, os.fsdecode(name))


def _refused(call: Callable[[], object]) -> list[str]:
    """Return what is wrong with the error that a call has to raise."""
    try:
        call()
    except (ValueError, TypeError, sw.SenseweaveError) as error:
        text = str(error)
        lines = [] if "\n" not in text and len(text) < 1000 else [f"a long error: {text[:200]!r}"]
        return lines + ([] if text.isprintable() else [f"not printable: {text[:200]!r}"])
    except Exception as error:
        return [f"a raw error: {error!r:.300}"]
    return ["accepted"]


def _import(index: sw.Index, place: Path, lines: list[Any], line: int, where: tuple[str, str], value: Any) -> list[str]:
    changed = json.loads(json.dumps(lines))
    kind, name = where
    entry = changed[line - 1]
    (entry if kind == "record" else entry[kind])[name] = value
    path = place / "evil.jsonl"
    path.write_bytes(sealed(changed))
    return _refused(lambda: index.import_(path))


def _filtered(index: sw.Index, condition: Any, expected: list[int]) -> list[str]:
    answer = found(index, condition)
    return [] if answer == expected else [f"found {answer[:5]} for {expected[:5]}"]


def _taken_or_refused(index: sw.Index, metadata: Any) -> list[str]:
    try:
        assert not index.add(sw.Text("something new", source="new"), metadata=metadata).failed
    except (ValueError, TypeError, sw.SenseweaveError):
        return _refused(lambda: index.add(sw.Text("something new", source="new"), metadata=metadata))
    except Exception as error:
        return [f"a raw error: {error!r:.300}"]
    (hit,) = index.search("something new", k=1, filter={"source": "new"})
    wrong = [] if hit.metadata == metadata else ["read back otherwise"]
    return wrong + ([] if index.delete(sources="new") == 1 else ["not deleted"])


def _named(index: sw.Index, place: Path, name: str) -> list[str]:
    folder = place / "names"
    folder.mkdir(exist_ok=True)
    path = folder / name
    try:
        path.write_text("tomatoes need water")
    except OSError:  # this file system does not take it
        return []
    report = index.add(folder)
    wrong = [] if report.added + len(report.failed) == 1 else [str(report)]
    wrong += [f"not printable: {error!s:.200}" for error in report.failed if not str(error).isprintable()]
    if report.added:
        filed = stored_name(str(path))
        (hit,) = index.search("tomatoes", k=1, filter={"source": filed})
        wrong += [] if hit.source == filed else [f"found as {hit.source!r}"]
        wrong += [] if index.delete(sources=path) == 1 else ["not deleted"]
    path.unlink()
    return wrong
