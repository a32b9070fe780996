"""The index, the loaders of three frameworks and the command line make the same of each file of the matrix."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from haystack_integrations.components.converters.senseweave import MediaToDocument
from llama_index.embeddings.senseweave import MediaReader

import senseweave as sw
from langchain_senseweave import MediaLoader
from senseweave.cli.app import app
from senseweave.encoders import plugins
from senseweave.interop import read_metadata
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.testing import toy_space
from tests.media.matrix import ROWS

FAMILY = """
from senseweave.encoders.family import Family
from senseweave.media import MODALITIES
from senseweave.testing.toys import ToyEncoder

FAMILY = Family(
    scheme="matrix", build=lambda name: {modality: ToyEncoder(modality) for modality in MODALITIES},
    modalities=MODALITIES, extra=None, summary="Toys", examples=("matrix:toy",), dimensions=(32,), license="none",
)
"""


@dataclass
class Outcome:
    """What a surface made of a folder.

    Attributes:
        records: By file, the modality, span, page, part and text (of text) of each record, with its notes.
        failures: By file, the files inside it that failed, with the reasons.
    """

    records: dict[str, list[tuple]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, metadata, text):
        found = read_metadata(metadata)
        span = tuple(round(second, 3) for second in found.span) if found.span else None
        place = (found.modality, span, found.page, found.part, metadata.get("notes"))
        said = text if found.modality == "text" else None
        self.records[Path(found.source).name].append((*place, said))

    def fail(self, source, reason):
        file, mark, part = source.partition("!/")
        self.failures[Path(file).name].append((mark + part, reason))

    def __getitem__(self, name):
        return sorted(self.records[name], key=repr), sorted(self.failures[name])


def core(folder):
    outcome = Outcome()
    store = MemoryStore()
    with sw.Index(store, spaces=[toy_space()]) as index:
        report = index.add(folder)
    for name in store.collections():
        for record in store.get(name):
            outcome.add(record.metadata, record.text)
    for error in report.failed:
        outcome.fail(error.source, error.reason)
    told = {Path(source).name: "; ".join(notes) for source, notes in report.partial.items()}
    kept = {name: found[0][4] for name, found in outcome.records.items() if found[0][4] is not None}
    assert told == kept
    return outcome


def langchain(folder):
    outcome = Outcome()
    loader = MediaLoader(folder)
    for document in loader.load():
        outcome.add(document.metadata, document.page_content)
    for error in loader.failed:
        outcome.fail(error.source, error.reason)
    return outcome


def llama_index(folder):
    outcome = Outcome()
    reader = MediaReader()
    for document in reader.load_data(folder):
        for node in document.chunks:
            outcome.add(node.metadata, node.get_content())
    for error in reader.failed:
        outcome.fail(error.source, error.reason)
    return outcome


def haystack(folder):
    outcome = Outcome()
    made = MediaToDocument().run([folder])
    for document in made["documents"]:
        outcome.add(document.meta, document.content)
    for failure in made["failed"]:
        outcome.fail(failure["source"], failure["reason"])
    return outcome


SURFACES = {"langchain": langchain, "llama_index": llama_index, "haystack": haystack}


@pytest.fixture(scope="session")
def folder(matrix_files):
    """The folder of the files of the matrix."""
    return next(iter(matrix_files.values())).parent


@pytest.fixture(scope="session")
def expected(folder):
    """What the index makes of the folder."""
    return core(folder)


@pytest.fixture
def command_line(folder, tmp_path, monkeypatch, capsys, own_chroma):
    """What `senseweave index` tells of the folder, and what `senseweave export` writes of it."""
    site = tmp_path / "matrix_family-1.0.dist-info"
    site.mkdir()
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: matrix-family\nVersion: 1.0\n")
    (site / "entry_points.txt").write_text("[senseweave.families]\nmatrix = matrix_family\n")
    (tmp_path / "matrix_family.py").write_text(FAMILY)
    monkeypatch.syspath_prepend(tmp_path)
    plugins._entries.cache_clear()
    outcome = Outcome()

    def run(*arguments):
        app(list(map(str, arguments)), standalone_mode=False)
        return capsys.readouterr().out

    try:
        printed = json.loads(run("index", folder, "--into", tmp_path / "index", "--space", "matrix:toy", "--json"))
        run("export", tmp_path / "index", tmp_path / "records.jsonl")
    finally:
        monkeypatch.undo()
        plugins._entries.cache_clear()
    for failure in printed["failed"]:
        outcome.fail(failure["source"], failure["reason"])
    for line in (tmp_path / "records.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "record" in entry:
            outcome.add(entry["metadata"], entry["text"])
    return outcome


def test_the_index_makes_of_each_kind_what_its_row_says(expected, matrix_files):
    wrong = {}
    for row in ROWS:
        records, failures = expected[matrix_files[row.kind].name]
        modalities = {modality for modality, _ in row.media}
        reasons = [detail for modality, detail in row.media if modality == "refused"]
        if {record[0] for record in records} | ({"refused"} if failures else set()) != modalities:
            wrong[row.kind] = records, failures
        elif not all(any(reason in said for _, said in failures) for reason in reasons):
            wrong[row.kind] = failures
        elif records and all(record[4] is None for record in records) == row.is_partly_read:
            wrong[row.kind] = records
    assert wrong == {}


def differences(found, expected, matrix_files):
    """Return by kind what a surface and the index make of a file, where that differs."""
    names = {kind: path.name for kind, path in matrix_files.items()}
    return {kind: (found[name], expected[name]) for kind, name in names.items() if found[name] != expected[name]}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.filterwarnings("ignore:.* were left out")
def test_loaders_make_the_same_records_failures_and_notes(surface, folder, expected, matrix_files):
    assert differences(SURFACES[surface](folder), expected, matrix_files) == {}


def test_the_command_line_makes_the_same_records_failures_and_notes(command_line, expected, matrix_files):
    assert differences(command_line, expected, matrix_files) == {}


def test_a_refused_file_that_is_named_is_the_same_error_everywhere(matrix_files):
    reasons = {}
    with sw.Index(MemoryStore(), spaces=[toy_space()]) as index:
        read = [
            index.add,
            lambda path: MediaLoader(path).load(),
            lambda path: MediaReader().load_data(path),
            lambda path: MediaToDocument().run([path]),
        ]
        for row in ROWS:
            if row.media[0][0] == "refused":
                for surface in read:
                    with pytest.raises(sw.MediaError) as caught:
                        surface(matrix_files[row.kind])
                    reasons.setdefault(row.kind, []).append(caught.value.reason)
    assert len(reasons) > 40
    assert {kind: said for kind, said in reasons.items() if len(set(said)) > 1} == {}
