"""Exports of an index: written whole or not at all, and read from wherever they are."""

import gzip
import hashlib
import json
import logging
import os
import resource
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.stores import Memory

DATA = Path(__file__).parent / "data"
NOTES = [sw.Text(f"note {n}", source=f"s{n}", metadata={"n": n}) for n in range(5)]


@pytest.fixture
def mine(tiny):
    """An index with one note of its own."""
    index = Index(Memory(), spaces=[tiny.make_space(modalities=("text",))])
    index.add(sw.Text("my own", source="mine"))
    return index


@pytest.mark.parametrize("name", ["plain.jsonl", "plain.gz", "packed.jsonl", "pipe"])
def test_an_export_is_read_packed_or_not_from_a_file_or_a_pipe(name, tiny, mine, tmp_path):
    mine.add(NOTES)
    mine.export(tmp_path / "whole")
    data = (tmp_path / "whole").read_bytes()
    place, writer = tmp_path / name, None
    if name == "pipe":
        os.mkfifo(place)
        writer = subprocess.Popen(["/bin/sh", "-c", f"cat '{tmp_path}/whole' > '{place}'"])
    else:
        place.write_bytes(gzip.compress(data) if name.startswith("packed") else data)
    index = Index(Memory(), spaces=[tiny.make_space(modalities=("text",))])
    assert index.import_(place) == 6
    assert sorted(index.sources()) == ["mine", *(f"s{n}" for n in range(5))]
    assert index.search("note 3", k=1)[0].metadata == {"n": 3}
    assert writer is None or writer.wait(timeout=30) == 0


def test_an_export_is_the_same_file_each_time_and_ends_with_its_checksum(tmp_path, mine):
    mine.add(NOTES)
    for name in ("a.jsonl", "b.jsonl", "a.jsonl.gz", "b.jsonl.gz"):
        assert mine.export(tmp_path / name) == 6
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    data = (tmp_path / "a.jsonl").read_bytes()
    body, _, end = data[:-1].rpartition(b"\n")
    assert json.loads(end) == {"end": {"records": 6, "sha256": hashlib.sha256(body + b"\n").hexdigest()}}
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == data
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.gz", "b.jsonl", "b.jsonl.gz"]


def test_an_export_that_fails_leaves_what_was_there(tmp_path, mine, monkeypatch):
    target = tmp_path / "all.jsonl"
    target.write_text("what was there")
    target.chmod(0o640)
    with monkeypatch.context() as patched:

        def fail(*arguments, **options):
            msg = "the store is gone"
            raise StoreError(msg)

        patched.setattr(Memory, "get", fail)
        with pytest.raises(StoreError, match="the store is gone"):
            mine.export(target)
    assert target.read_text() == "what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["all.jsonl"]
    (tmp_path / "link.jsonl").symlink_to(target)
    mine.export(tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert target.read_text().startswith('{"format"')
    assert target.stat().st_mode & 0o777 == 0o640
    for place in (tmp_path, tmp_path / "no" / "folder.jsonl", target / "x", tmp_path / ("n" * 300)):
        with pytest.raises(StoreError, match="the export cannot be written"):
            mine.export(place)


def test_an_export_on_a_full_disk_leaves_what_was_there(tmp_path, mine):
    target = tmp_path / "all.jsonl"
    target.write_text("what was there")
    mine.add([sw.Text(f"a longer note {n} " * 20, source=f"long{n}") for n in range(200)])
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(StoreError, match=r"the export cannot be written .*: make room") as raised:
            mine.export(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(target) in str(raised.value)
    assert target.read_text() == "what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["all.jsonl"]


def test_an_export_of_version_0_1_is_read_with_a_word_of_warning(tmp_path, space, caplog):
    with Index(tmp_path / "new", spaces=[space]) as index, caplog.at_level(logging.WARNING, "senseweave"):
        assert index.import_(DATA / "index-0.1.jsonl.gz") == 7
    assert "written by senseweave 0.1, without a checksum" in caplog.text


def test_a_folder_of_version_0_1_is_exported_with_every_source(tmp_path, space):
    with tarfile.open(DATA / "index-0.1.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    with Index(tmp_path / "index-0.1", spaces=[space]) as old:
        assert old.export(tmp_path / "all.jsonl") == 12
    with Index(tmp_path / "new", spaces=[space]) as new:
        assert new.import_(tmp_path / "all.jsonl") == 12
        assert new.search("red", k=1)[0].sources == ("/photos/alps/sunset.png", "/photos/best/sunset.png")
