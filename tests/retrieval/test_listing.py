"""The records of an index, one by one."""

from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.testing import sample_files, toy_space


@pytest.fixture
def index(tmp_path: Path) -> sw.Index:
    space = toy_space()
    opened = sw.Index(tmp_path / "index", spaces=[space])
    opened.add(sample_files(tmp_path, "image"), metadata={"album": "colors"})
    opened.add(sw.Text("a dog", source="note"))
    return opened


def test_records_are_listed_with_where_they_come_from(index: sw.Index, tmp_path: Path) -> None:
    records = {record.source: record for record in index.records()}
    assert sorted(records) == sorted([*(str(tmp_path / f"sample-{at}.png") for at in range(3)), "note"])
    picture, note = records[str(tmp_path / "sample-1.png")], records["note"]
    assert picture.provenance.modality == "image"
    assert dict(picture.provenance.own) == {"album": "colors"}
    assert picture.media.sha256 == picture.provenance.sha256
    assert (note.text, note.space, note.vector) == ("a dog", "toy-0", None)


def test_vectors_are_those_that_were_embedded(index: sw.Index, tmp_path: Path) -> None:
    (record,) = index.records(filter={"mime_type": "image/png", "source": str(tmp_path / "sample-2.png")}, vectors=True)
    assert record.vector is not None
    np.testing.assert_allclose(record.vector, toy_space().embed_image([tmp_path / "sample-2.png"])[0], atol=1e-6)


def test_records_are_found_by_id(index: sw.Index) -> None:
    chosen = [record.id for record in index.records()][1:3]
    assert {record.id for record in index.records(ids=[*chosen, "no-such-id"])} == set(chosen)
    assert [record.id for record in index.records(ids=chosen[0])] == chosen[:1]
    assert list(index.records(ids=[])) == []
    with pytest.raises(TypeError, match="ids must be"):
        list(index.records(ids=[1]))
