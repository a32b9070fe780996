"""Exports from anywhere: hundreds of wrong values, lines and bytes, each one line of error and nothing written."""

import base64
import gzip
import hashlib
import json

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import FingerprintError, StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.records import export_file
from senseweave.stores import Memory

NOTES = [sw.Text(f"note {n}", source=f"s{n}", metadata={"n": n}) for n in range(5)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tiny):
    """The lines of an export of five texts: format, collection, records, end."""
    path = tmp_path_factory.mktemp("exported") / "notes.jsonl"
    with Index(Memory(), spaces=[tiny.make_space(modalities=("text",))]) as index:
        index.add(NOTES)
        assert index.export(path) == 5
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def mine(tiny):
    """An index with one note of its own."""
    index = Index(Memory(), spaces=[tiny.make_space(modalities=("text",))])
    index.add(sw.Text("my own", source="mine"))
    return index


def state(index):
    return {
        name: (values, sorted((row.id, row.text, str(row.metadata)) for row in index._store.store.get(name)))
        for name, values in index._store.store.collections().items()
    }


def sealed(lines):
    """The bytes of an export that ends rightly, whatever its lines say."""
    body = "".join((json.dumps(line) if not isinstance(line, str) else line) + "\n" for line in lines).encode()
    end = {"records": sum("record" in line for line in lines), "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps({"end": end}).encode() + b"\n"


def packed(numbers, kind="<f4"):
    return base64.b64encode(np.asarray(numbers, kind).tobytes()).decode()


DIMENSION = 64
STRANGE = {
    "null": None,
    "a bool": True,
    "a number": 7,
    "a float": 0.5,
    "a huge number": 10**300,
    "an empty string": "",
    "a lone surrogate": "\ud800",
    "a list": ["x"],
    "an object": {"x": 1},
    "a long string": "x" * 5000,
}
"""Values that are wrong in most places."""
RIGHT = {
    ("collection", "options"): {"null", "an object"},
    ("collection", "calibration"): {"an object"},
    ("record", "text"): {"null", "an empty string", "a long string"},
    ("record", "copies"): set(),
}
"""Those of them that are right there."""


def wrong_values():
    for place in ("name", "space", "modality", "fingerprint", "dimension", "options", "calibration", "format"):
        for name, value in STRANGE.items():
            if name not in RIGHT.get(("collection", place), ()):
                yield f"{place} of a collection is {name}", 2, ("collection", place), value
    for place in ("record", "text", "metadata", "vector", "copies"):
        for name, value in STRANGE.items():
            nested = place == "metadata" and name == "an object"
            if name not in RIGHT.get(("record", place), ()) and not nested:
                yield f"{place} of a record is {name}", 4, ("record", place), value
    for name in ("a huge number", "a lone surrogate", "a list", "an object"):
        yield f"a value of metadata is {name}", 4, ("metadata", "n"), STRANGE[name]
    for name in ("", "$and", "#document", "chroma:document", "\udfff"):
        yield f"a name of metadata is {name!r}", 4, ("metadata", name), 1
    yield "metadata name another modality", 4, ("metadata", "modality"), "image"
    yield "metadata name another fingerprint", 4, ("metadata", "fingerprint"), "0123456789abcdef"
    yield "metadata hold 2**63", 4, ("metadata", "n"), 2**63
    for name, vector in {
        "too short": packed(np.ones(DIMENSION - 1)),
        "too long": packed(np.ones(DIMENSION + 1)),
        "of float64": packed(np.ones(DIMENSION), "<f8"),
        "zero": packed(np.zeros(DIMENSION)),
        "not a number": packed([np.nan] + [1.0] * (DIMENSION - 1)),
        "infinite": packed([np.inf] + [1.0] * (DIMENSION - 1)),
        "too far": packed([3e38] * DIMENSION),
        "too near": packed([1e-30] * DIMENSION),
        "torn base64": packed(np.ones(DIMENSION))[:-1],
        "no base64": "!" * 344,
        "base64 with spaces": " ".join(packed(np.ones(DIMENSION))),
        "Unicode": "é" * 344,
    }.items():
        yield f"a vector is {name}", 4, ("record", "vector"), vector
    yield "a dimension is 0", 2, ("collection", "dimension"), 0
    yield "a dimension is negative", 2, ("collection", "dimension"), -64
    yield "a dimension is a million", 2, ("collection", "dimension"), 10**6
    yield "a modality does not exist", 2, ("collection", "modality"), "smell"
    yield "a format is of the future", 2, ("collection", "format"), 99
    yield "options are long", 2, ("collection", "options"), {"x": "y" * 200_000}


def wrong_calibrations():
    good = {"version": 3, "documents": 5, "centre": "<f4:" + packed(np.zeros(DIMENSION)), "queries": {}}
    cell = {"mean": 0.1, "std": 0.2, "documents": 5}
    good["cells"] = {"text": cell}
    for name, value in STRANGE.items():
        for place in ("documents", "centre", "cells", "queries"):
            if (place, name) not in {("documents", "a number")}:
                yield f"{place} of a calibration is {name}", {**good, place: value}
        if name not in ("a number", "a float"):
            for place in ("mean", "std", "slope", "origin"):
                if (place, name) not in {
                    ("origin", "an empty string"),
                    ("origin", "a long string"),
                    ("origin", "a lone surrogate"),
                }:
                    yield f"{place} of a cell is {name}", {**good, "cells": {"text": {**cell, place: value}}}
        yield f"the cell of a modality is {name}", {**good, "cells": {"text": value}}
        yield f"the queries of a modality are {name}", {**good, "queries": {"text": value}}
    yield "a deviation is negative", {**good, "cells": {"text": {**cell, "std": -1.0}}}
    yield "a cell lacks its mean", {**good, "cells": {"text": {"std": 1.0}}}
    yield "a centre is of another length", {**good, "centre": "<f4:" + packed([1.0])}
    yield "a centre is of objects", {**good, "centre": "O:" + packed([1.0])}
    yield "a centre is not finite", {**good, "centre": "<f4:" + packed([np.nan] * DIMENSION)}
    yield "a centre is torn", {**good, "centre": "<f4:" + packed(np.ones(DIMENSION))[:-3]}
    yield "queries are torn", {**good, "queries": {"text": "<f2:" + packed([1.0], "<f2")}}
    yield "there is something else", {**good, "code": "import os"}


WRONG = [*wrong_values(), *((name, 2, ("collection", "calibration"), value) for name, value in wrong_calibrations())]


def refuse(index, path, says):
    """Check that an import is one line about a file, and changes nothing."""
    before = state(index)
    with pytest.raises(StoreError) as raised:
        index.import_(path)
    text = str(raised.value)
    assert says in text
    assert "\n" not in text
    assert len(text.replace(str(path), "")) < 600
    text.encode()
    assert state(index) == before


@pytest.mark.parametrize(("line", "place", "value"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_value_is_one_line_that_names_it_and_nothing_is_written(line, place, value, exported, mine, tmp_path):
    lines = json.loads(json.dumps(exported[:-1]))
    kind, name = place
    entry = lines[line - 1]
    (entry if kind == "record" else entry[kind])[name] = value
    path = tmp_path / "evil.jsonl"
    path.write_bytes(sealed(lines))
    refuse(mine, path, f"{path}, line {line}: ")


def test_there_are_some_two_hundred_wrong_values():
    assert len(WRONG) >= 200


def deep(levels):
    return "[" * levels + "]" * levels


def without(entry, name):
    return {key: value for key, value in entry.items() if key != name}


def other_keys(lines):
    for name in ("name", "space", "modality", "fingerprint", "dimension", "options", "calibration"):
        yield f"no {name}", 2, [lines[0], {"collection": without(lines[1]["collection"], name)}, *lines[2:]]
    for name in ("text", "metadata", "vector"):
        yield f"no {name} of a record", 4, [*lines[:3], without(lines[3], name), *lines[4:]]
    yield "an unknown key of a collection", 2, [lines[0], {"collection": {**lines[1]["collection"], "x": 1}}]
    yield "an unknown key beside a collection", 2, [lines[0], {**lines[1], "x": 1}, *lines[2:]]
    yield "an unknown key of a record", 3, [*lines[:2], {**lines[2], "x": 1}]
    yield "copies of version 0.1", 3, [*lines[:2], {**lines[2], "copies": []}]
    yield "a record before its collection", 2, [lines[0], lines[2], lines[1]]
    yield "a record twice", 5, [*lines[:4], lines[3]]
    yield "a collection twice", 4, [*lines[:3], lines[1]]
    yield "an empty object", 3, [*lines[:2], {}]
    yield "an empty line", 3, [*lines[:2], ""]
    yield "a list", 3, [*lines[:2], "[1, 2]"]
    yield "a number", 3, [*lines[:2], "7"]
    yield "a collection that is a list", 2, [lines[0], {"collection": [1]}]
    yield "no JSON", 3, [*lines[:2], "{'record': 1}"]
    yield "deep JSON", 3, [*lines[:2], deep(100_000)]
    yield (
        "deep JSON in options",
        2,
        [lines[0], json.dumps(lines[1]).replace('"options": null', f'"options": {deep(50_000)}')],
    )
    yield "deep metadata", 3, [*lines[:2], {**lines[2], "metadata": {"a": {"b": {"c": 1}}}}]
    yield "NaN", 3, [*lines[:2], '{"record": NaN}']
    yield "Infinity", 3, [*lines[:2], "Infinity"]
    yield "a number of 5000 digits", 3, [*lines[:2], '{"record": ' + "9" * 5000 + "}"]
    yield "a float too large", 3, [*lines[:2], {**lines[2], "metadata": {"n": float("inf")}}]
    yield "the end in the middle", 4, [*lines[:3], {"end": {"records": 1, "sha256": "0"}}, *lines[3:]]


def test_other_keys_and_orders_are_one_line_and_nothing_is_written(exported, mine, tmp_path):
    for number, (name, line, lines) in enumerate(other_keys(exported[:-1])):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(sealed(lines))
        try:
            refuse(mine, path, f"{path}, line {line}: ")
        except BaseException as error:
            raise AssertionError(name) from error


def test_bytes_that_are_no_export_are_one_line_and_nothing_is_written(exported, mine, tmp_path, monkeypatch):
    whole = sealed(exported[:-1])
    zipped = gzip.compress(whole)
    end = json.loads(whole.splitlines()[-1])["end"]
    garbage = np.random.default_rng(0).integers(0, 256, 10_000, dtype=np.uint8).tobytes()
    cases = {
        "nothing": b"",
        "an empty line": b"\n",
        "garbage": garbage,
        "garbage after gzip's mark": b"\x1f\x8b" + garbage,
        "garbage inside": whole[:1500] + garbage + whole[1500:],
        "no UTF-8": whole.replace(b"note 3", b"note \xff"),
        "NUL": whole.replace(b"note 3", b"note \0"),
        "half": whole[: len(whole) // 2],
        "no end": whole[: whole.rindex(b'{"end"')],
        "half the end": whole[:-20],
        "a record less": b"\n".join(whole.splitlines()[:3] + whole.splitlines()[4:]) + b"\n",
        "a letter changed": whole.replace(b"note 3", b"note 4"),
        "a wrong count": whole.replace(b'"records": 5', b'"records": 6'),
        "an end of another kind": whole[: whole.rindex(b'{"end"')] + b'{"end": 5}\n',
        "an end with more": whole[: whole.rindex(b'{"end"')] + json.dumps({"end": {**end, "x": 1}}).encode() + b"\n",
        "two ends": whole + whole[whole.rindex(b'{"end"') :],
        "a second export": whole + whole,
        "a later format": whole.replace(b"senseweave-index-2", b"senseweave-index-9"),
        "a format of a number": b'{"format": 2}\n',
        "a format and more": whole.replace(b'-2"}', b'-2", "x": 1}', 1),
        "a byte order mark": b"\xef\xbb\xbf" + whole,
        "gzip cut off": zipped[: len(zipped) // 2],
        "gzip without its checksum": zipped[:-6],
        "gzip with a wrong checksum": zipped[:-8] + b"12345678",
        "gzip changed inside": zipped[:200] + b"1234" + zipped[204:],
        "a picture": b"\x89PNG\r\n\x1a\n" + garbage,
        "a long line": b'{"format": "senseweave-index-2"}\n' + b"x" * 300_000,
    }
    monkeypatch.setattr(export_file, "LONGEST_LINE", 200_000)
    for name, data in cases.items():
        for suffix in (".jsonl", ".jsonl.gz"):
            path = tmp_path / (name.replace(" ", "-") + suffix)
            path.write_bytes(data)
            try:
                refuse(mine, path, str(path))
            except BaseException as error:
                raise AssertionError(name) from error
    for path in (tmp_path, tmp_path / "not-there.jsonl", tmp_path / "garbage.jsonl" / "x", tmp_path / ("n" * 300)):
        refuse(mine, path, str(path))


def test_a_collection_that_does_not_fit_leaves_the_index_as_it_was(exported, tiny, tmp_path):
    path = tmp_path / "notes.jsonl"
    path.write_bytes(sealed(exported[:-1]))
    index = Index(Memory(), spaces=[tiny.make_space(seed="x", modalities=("text",))])
    with pytest.raises(FingerprintError):
        index.import_(path)
    assert len(index) == 0
    second = json.loads(json.dumps(exported[:-1]))
    second[1]["collection"]["space"], second[1]["collection"]["name"] = "other space", "z"
    strange = json.loads(json.dumps(second[1:]))
    strange[0]["collection"]["space"], strange[0]["collection"]["name"] = "other-space", "y"
    path.write_bytes(sealed([*second, *strange]))
    fresh = Index(Memory(), spaces=[tiny.make_space(modalities=("text",))])
    refuse(fresh, path, "a collection 'other-space-text' is there already")
    store = Memory()
    other = Index(store, spaces=[tiny.make_space(modalities=("text",))])
    store.make("other-space-text", {"about": "somebody else's"}, DIMENSION)
    path.write_bytes(sealed(second))
    refuse(other, path, "a collection 'other-space-text' is there already")
