"""What an index holds, record by record and as a table; searches by vectors, hits and sources."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import UnsupportedModalityError
from senseweave.retrieval import Index


def test_records_have_provenance_text_and_the_users_metadata(index, files, names):
    records = {Path(record.source).name: record for record in index.records()}
    assert set(records) == {file.name for file in files.iterdir()}
    assert records["trains.txt"].text == "the last train leaves at midnight"
    assert records["trains.txt"].provenance.own == {"year": 2020 + len("trains.txt") % 3}
    assert records["low.wav"].provenance.span == (0.0, 2.0)
    assert records["red.png"].media.decode().size == (8, 8)
    assert all(record.vector is None for record in records.values())


def test_records_are_chosen_by_filter_modality_and_id(index, names):
    assert set(names(index.records(modalities={"image"}))) == {"red.png", "green.png", "blue.png"}
    assert set(names(index.records(modalities="image", filter={"year": 2021}))) == {"red.png"}
    chosen = next(index.records(modalities={"audio"}))
    assert names(index.records(ids=[chosen.id, "none"])) == ["low.wav"]
    with pytest.raises(UnsupportedModalityError):
        index.records(modalities={"video"})
    with pytest.raises(ValueError, match=r"unknown comparison .\$near"):
        index.records(filter={"year": {"$near": 3}})


def test_records_come_with_the_vectors_that_the_space_gives(index, space):
    record = next(record for record in index.records(vectors=True) if record.source.endswith("trains.txt"))
    (expected,) = space.embed_text([record.text], role="document")
    assert record.vector == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


def test_a_table_has_a_row_for_each_record_and_a_column_for_each_value(index):
    table = index.to_pandas().set_index("source")
    assert len(table) == len(index) == 8
    row = table[table.index.str.endswith("low.wav")].iloc[0]
    assert (row["modality"], row["start"], row["end"], row["year"]) == ("audio", 0.0, 2.0, 2021)
    assert np.stack(table["vector"]).shape == (8, 64)
    assert "vector" not in index.to_pandas(vectors=False, modalities={"text"})


def test_a_users_value_under_the_name_of_a_column_keeps_a_column_of_its_own(tmp_path, space):
    with Index(tmp_path / "named", spaces=[space]) as index:
        index.add(sw.Text("a diary", metadata={"start": "2021-03-04", "space": "kitchen"}))
        (row,) = index.to_pandas().to_dict("records")
    assert (row["user_start"], row["user_space"], row["space"]) == ("2021-03-04", "kitchen", "tiny")


def test_a_table_of_nothing_has_the_columns_of_every_table(tmp_path, space):
    with Index(tmp_path / "empty", spaces=[space]) as index:
        table = index.to_pandas()
    assert len(table) == 0
    assert {"id", "source", "text", "vector"} <= set(table)


def test_a_search_by_a_vector_finds_what_its_text_finds(index, space, names):
    (vector,) = space.embed_text(["the last train"], role="query")
    expected = names(index.search("the last train", k=3))
    assert names(index.search(vector, k=3)) == expected
    assert names(index.search([float(value) for value in vector], k=3)) == expected
    assert names(asyncio.run(index.asearch(vector, k=3))) == expected


def test_a_vector_of_no_space_is_refused(index):
    with pytest.raises(ValueError, match="has dimension 3, the stores' vectors have 64"):
        index.search(np.ones(3))


@pytest.mark.parametrize(
    "array",
    [np.ones((1, 64)), np.ones(64, complex), np.array(["a"] * 64), np.array(3.0)],
    ids=lambda array: array.dtype,
)
def test_an_array_that_is_no_vector_of_real_numbers_is_refused_by_its_shape_and_type(index, array):
    with pytest.raises(TypeError, match=r"a vector as a query must have real numbers and the shape \(dimension,\)"):
        index.search(array)


def test_a_search_by_a_hit_finds_it_first_and_embeds_nothing(index, space, names, monkeypatch):
    hit = index.search("tomatoes need sun", k=1)[0]
    monkeypatch.setattr(type(space), "encode", None)
    assert names(index.search(hit, k=2)) == ["garden.txt", "balcony.txt"]
    record = next(record for record in index.records() if record.source.endswith("red.png"))
    assert names(index.search(record, k=1)) == ["red.png"]
    assert names(asyncio.run(index.asearch(hit, k=2, modalities={"text"}))) == ["garden.txt", "balcony.txt"]


def test_a_hit_whose_record_was_deleted_is_refused(index):
    hit = index.search("tomatoes", k=1)[0]
    index.delete(sources=hit.source)
    with pytest.raises(ValueError, match="is not in the index"):
        index.search(hit)


def test_a_hit_is_searched_in_every_space_that_holds_its_content(tmp_path, tiny, files):
    spaces = [tiny.make_space("first"), tiny.make_space("second", seed="other")]
    with Index(tmp_path / "two", spaces=spaces) as index:
        index.add(files)
        hit = index.search("tomatoes need sun", k=1)[0]
        found = index.search(hit, k=3, fusion="rrf")
        alone = index.search(hit, k=1, fusion="rrf")[0]
    assert found[0].source == hit.source
    assert alone.score == pytest.approx(2 * 1 / 61)  # first in both lists


def test_neighbours_of_a_hit_and_of_a_source_leave_itself_out(index, files, names):
    hit = index.search("tomatoes need sun", k=1)[0]
    assert names(index.neighbours(hit, k=1)) == ["balcony.txt"]
    assert names(index.neighbours(files / "garden.txt", k=1)) == ["balcony.txt"]
    assert names(index.neighbours(str(files / "red.png"), k=1, modalities={"text"})) == ["paint.txt"]
    assert len(index.neighbours(hit, k=100)) == len(index) - 1


def test_neighbours_of_what_is_not_in_the_index_are_refused(index):
    with pytest.raises(ValueError, match="is not in the index"):
        index.neighbours("elsewhere.txt")
    with pytest.raises(TypeError, match="neighbours takes a hit"):
        index.neighbours(3)


def test_recommendations_follow_what_is_liked_and_flee_what_is_not(index, files, names):
    liked = index.search("tomatoes need sun", k=1)
    assert names(index.recommend(liked, k=1)) == ["balcony.txt"]
    first = names(index.recommend(["water", "train"], k=10))
    second = names(index.recommend(["water", "train"], ["train"], k=10))
    assert second.index("trains.txt") > first.index("trains.txt")
    assert "trains.txt" not in names(index.recommend("water", files / "trains.txt", k=10))
    with pytest.raises(ValueError, match="at least one liked"):
        index.recommend([], ["snow"])
