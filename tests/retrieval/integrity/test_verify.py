"""What verifying tells, and what opening costs."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.integrity.folder import check_folder
from senseweave.retrieval.integrity.vector_files import FILES
from senseweave.retrieval.stores.memory import MemoryStore


def test_every_kind_of_bad_record_is_listed_whatever_the_store(space):
    store = MemoryStore()
    with Index(store, spaces=[space]) as index:
        index.add([sw.Text(f"words number{i}", source=f"s{i}") for i in range(9)])
        assert index.verify().ok
        description = index._store.descriptions[space.name, "text"]
        records = store._records[description.name]
        ids = list(records)

        def change(at, **values):
            records[ids[at]] = records[ids[at]].__class__(**{**records[ids[at]].__dict__, **values})

        change(0, vector=np.full(space.dimension, np.nan, np.float32))
        change(1, vector=np.zeros(space.dimension, np.float32))
        change(2, vector=np.ones(3, np.float32))
        change(3, text="")
        change(4, metadata={**records[ids[4]].metadata, "fingerprint": "0" * 16})
        change(5, metadata={**records[ids[5]].metadata, "source": "elsewhere"})
        report = index.verify()
        assert not report.ok
        assert {
            kind: sorted(name for problem in report.problems if problem.kind == kind for name in problem.ids)
            for kind in report.counts
        } == {
            "vector": sorted(ids[:3]),
            "text": [ids[3]],
            "fingerprint": [ids[4]],
            "id": sorted(ids[4:6]),
        }
        json.dumps(report.to_dict())
        with pytest.raises(StoreError, match=r"memory is not a folder.*verify"):
            index.repair()


def test_sources_are_compared_on_request(corpus_folder, space, tmp_path):
    with Index(tmp_path / "index", spaces=[space]) as index:
        (corpus_folder / "long.txt").write_text("\n\n".join(f"paragraph {i} says many words" for i in range(200)))
        index.add(corpus_folder)
        report = index.verify(sources=True)
        assert report.ok, report.problems
        assert report.sources == 11
        (corpus_folder / "bread.txt").write_text("nothing of before")
        (corpus_folder / "red.png").unlink()
        (corpus_folder / "song.wav").write_bytes(b"RIFF")
        assert index.verify().ok
        report = index.verify(sources=True)
        kinds = {Path(source).name: problem.kind for problem in report.problems for source in problem.sources}
        assert kinds == {"bread.txt": "source changed", "red.png": "source missing", "song.wav": "source changed"}


def test_opening_again_reads_no_vectors(folder, space):
    """Counting adds a few reads to what opening costs anyway, and loads no vector."""
    Index(folder, spaces=[space]).close()
    opened, listening = [], [True]
    sys.addaudithook(
        lambda event, given: opened.append(Path(str(given[0])).name) if listening and event == "open" else None
    )
    check_folder(folder)
    listening.clear()
    assert set(opened) & set(FILES) == {"header.bin"}
