"""Groups by meaning across modalities, their names, what is alone, and labels for what an index holds."""

from dataclasses import replace

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import FingerprintError
from senseweave.explore.clusters import cluster_points
from senseweave.explore.layout import place_points, principal_components
from senseweave.explore.naming import name_groups
from senseweave.explore.points import Points, balance, gather_points, mixing, nearest
from senseweave.retrieval import Index
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.records.schema import Provenance
from senseweave.spaces.batch import unit_rows

TOPICS = ("volcano lava crater", "violin orchestra concert", "penalty goalkeeper stadium")


def meanings(count=14, gap=3.0):
    """Points of two modalities that mean three things, with a direction that each modality has in common."""
    random = np.random.default_rng(5)
    topics, gaps = random.normal(size=(3, 64)), random.normal(size=(2, 64))
    vectors, records, kinds = [], [], []
    for modality, cone in zip(("text", "image"), gaps, strict=True):
        for topic, words in enumerate(TOPICS):
            for number in range(count):
                vectors.append(topics[topic] + gap * cone + 0.3 * random.normal(size=64))
                source = f"{modality}-{topic}-{number}"
                records.append(IndexRecord(source, "made", words, Provenance(modality=modality, source=source)))
                kinds.append(topic)
    return Points(records, unit_rows(np.array(vectors)), "made"), np.array(kinds)


def test_balanced_vectors_are_near_those_of_the_same_meaning_whatever_the_modality():
    points, kinds = meanings()
    before, _ = nearest(points.vectors, 20)
    after, _ = nearest(points.balanced, 20)
    assert mixing(points.vectors, points.modalities) == 0.0
    assert mixing(points.balanced, points.modalities) > 0.8
    assert (kinds[after] == kinds[:, None]).mean() > 0.99
    assert (kinds[before] == kinds[:, None]).mean() < 0.9


def test_a_single_record_of_a_modality_keeps_what_it_means():
    points, kinds = meanings(gap=0.5)
    chosen = np.append(np.flatnonzero(points.modalities == "text"), len(kinds) - 1)
    balanced = balance(points.vectors[chosen], points.modalities[chosen])
    places, _ = nearest(balanced, 5)
    assert (kinds[chosen][places[-1]] == kinds[-1]).all()


def test_the_nearest_are_exact_without_the_row_itself():
    vectors = unit_rows(np.random.default_rng(1).normal(size=(50, 8)))
    places, similarities = nearest(vectors, 5)
    every = vectors @ vectors.T - 9 * np.eye(50)
    assert np.array_equal(places, np.argsort(-every, axis=1)[:, :5])
    assert similarities == pytest.approx(-np.sort(-every, axis=1)[:, :5], abs=1e-6)
    assert nearest(vectors[:1], 5)[0].shape == (1, 0)


def test_mixing_is_one_by_chance_and_unknown_for_one_modality():
    random = np.random.default_rng(2)
    vectors, kinds = unit_rows(random.normal(size=(400, 16))), np.array(["text", "image"] * 200)
    assert mixing(vectors, kinds) == pytest.approx(1, abs=0.1)
    assert mixing(random.normal(size=(400, 2)), kinds) == pytest.approx(1, abs=0.1)
    assert np.isnan(mixing(vectors, np.array(["text"] * 400)))


def test_places_are_the_same_each_time_and_of_any_number_of_points():
    vectors = unit_rows(np.random.default_rng(3).normal(size=(20, 8)))
    assert np.array_equal(place_points(vectors), place_points(vectors))
    assert place_points(vectors[:1]).tolist() == [[0.0, 0.0]]
    assert place_points(np.zeros((0, 1), np.float32)).shape == (0, 2)
    assert principal_components(vectors, 12).shape == (20, 12)


def test_names_are_the_words_that_set_a_group_apart():
    names = name_groups([["the red apple", "a red pear", "red plums"], ["the red train engine", "the train guard"]])
    assert names[0][0] == "red"
    assert names[1][0] == "train"
    assert not {"the", "a"} & set(names[0] + names[1])
    assert name_groups([[], ["12 34"]]) == [(), ()]


@pytest.mark.slow
def test_clusters_go_by_meaning_and_are_named():
    points, kinds = meanings()
    found = cluster_points(points, 5)
    assert len(found) == 3
    for cluster in found:
        assert len({record.text for record in cluster.records}) == 1
        assert set(cluster.modalities) == {"text", "image"}
        assert set(cluster.words) == set(cluster.records[0].text.split())
    assert len(found.labels) == len(kinds)
    assert sum(map(len, found)) + len(found.rest) == len(kinds)
    assert found.to_dict()["clusters"][0]["size"] == len(found[0])


def test_an_index_too_small_for_clusters_has_none(index):
    found = index.clusters(min_size=5)
    assert (len(found), len(found.rest)) == (0, 8)
    with pytest.raises(ValueError, match="the index has no space 'other'; its spaces are tiny"):
        index.clusters(space="other")
    with pytest.raises(ValueError, match="min_size"):
        index.clusters(min_size=1)


def test_outliers_are_far_from_everything(tmp_path, tiny):
    with Index(tmp_path / "odd", spaces=[tiny.make_space()]) as index:
        index.add([sw.Text(f"tomatoes need water and sun on day {number}") for number in range(12)])
        index.add(sw.Text("quarterly earnings exceeded forecasts"))
        outliers = index.outliers(k=2)
    assert outliers[0].record.text == "quarterly earnings exceeded forecasts"
    assert outliers[0].score > outliers[1].score + 1


def test_equal_content_is_one_point(tmp_path, tiny, files):
    (files / "again.txt").write_text((files / "garden.txt").read_text())
    with Index(tmp_path / "twice", spaces=[tiny.make_space()]) as index:
        index.add(files)
        assert len(index) == 9
        assert len(gather_points(index).records) == 8


def test_records_are_classified_by_their_stored_vectors(index, space, monkeypatch):
    records = list(index.records(modalities={"image"}, vectors=True))
    monkeypatch.setattr(type(space), "encode", None)
    found = sw.classify(
        space, index.records(modalities={"image"}, vectors=True), ["red", "green", "blue"], template="{}"
    )
    assert [entry.label in records[entry.position].source for entry in found] == [True] * 3


def test_records_without_vectors_or_of_another_space_are_not_classified(index, space, tiny):
    with pytest.raises(TypeError, match="item 1 is not a record with its vector"):
        sw.classify(space, index.records(), ["red", "green"])
    with pytest.raises(FingerprintError):
        sw.classify(tiny.make_space(seed="other"), index.records(vectors=True), ["red", "green"])
    records = list(index.records(vectors=True))
    with pytest.raises(TypeError, match="item 2 is not a record"):
        sw.classify(space, [records[0], replace(records[1], vector=None)], ["red", "green"])
