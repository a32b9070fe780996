"""Statistics beside the collections: when they are made, when again, and what users can teach them."""

import numpy as np
import pytest

import senseweave as sw
from senseweave.retrieval import Index, background
from senseweave.retrieval.calibration.cells import KEPT_QUERIES, VERSION
from senseweave.retrieval.calibration.learning import fit_logistic
from senseweave.retrieval.calibration.probes import PROBES


def cell(index, modality, query="text"):
    description = next(
        description for description in index._store.descriptions.values() if description.modality == modality
    )
    return index._calibration.statistics(description, query)


def notes(start, stop):
    return [sw.Text(f"note {number} on subject {number % 7}") for number in range(start, stop)]


def test_an_index_is_calibrated_after_the_first_add_and_keeps_that_on_disk(tmp_path, space, index):
    first = cell(index, "text")
    assert first.documents == 4
    assert first.queries == 96
    index.close()
    again = Index(tmp_path / "index", spaces=[space])
    assert cell(again, "text") == first
    assert np.array_equal(cell(again, "text").center, first.center)


def test_statistics_are_made_again_when_the_collection_has_doubled_and_not_before(tmp_path, space):
    index = Index(tmp_path / "growing", spaces=[space])
    index.add(notes(0, 20))
    first = cell(index, "text")
    index.add(notes(20, 39))
    assert cell(index, "text") == first
    index.add(notes(39, 41))
    assert cell(index, "text").documents == 41
    index.delete(filter={"modality": "text"})
    index.add(notes(0, 5))
    assert cell(index, "text").documents == 5


def test_in_a_collection_larger_than_the_sample_the_best_matches_are_those_among_all(tmp_path, space, monkeypatch):
    monkeypatch.setattr("senseweave.retrieval.calibration.cells.SAMPLE", 32)
    index = Index(tmp_path / "large", spaces=[space])
    index.add(notes(0, 300))
    known = cell(index, "text")
    (description,) = (
        description for description in index._store.descriptions.values() if description.modality == "text"
    )
    stored = np.stack([row.vector for row in index._store.get(description, vectors=True)])
    phrases = space.encode([sw.Text(phrase) for phrase in PROBES], role="query").vectors
    own = phrases @ known.center + known.offset
    assert known.best == pytest.approx(((phrases @ stored.T).max(axis=1) - own).mean(), abs=1e-3)


def test_statistics_of_the_version_before_are_used_until_the_next_add_makes_them_anew(tmp_path, space, index):
    for description in index._store.descriptions.values():
        description.calibration["version"] = 2
        index._store.save(description)
    with Index(tmp_path / "index", spaces=[space]) as again:
        assert again.search("red", k=1)[0].calibration == "above_chance"
        again.add(sw.Text("one more"))
        assert {description.calibration["version"] for description in again._store.descriptions.values()} == {VERSION}


def test_unrelated_queries_score_around_nothing_and_answers_clearly_above(index):
    for question in ("an unheard of word", "volcano lava eruption", "quantum bank holiday"):
        assert index.search(question, k=1)[0].score < 1.5
    assert index.search("the last train leaves at midnight", k=1)[0].score > 3


def test_the_only_picture_of_an_index_can_still_be_found(tmp_path, space, write_picture):
    index = Index(tmp_path / "one", spaces=[space])
    index.add([*notes(0, 30), sw.Image(write_picture(tmp_path / "red.png", "red"))])
    assert index.search("red", k=1)[0].modality == "image"
    assert index.search("note 3 on subject 3", k=1)[0].text == "note 3 on subject 3"


@pytest.mark.parametrize("count", [1, 3, 9])
def test_image_queries_have_scores_of_sane_size_however_few_images_there_are(tmp_path, space, write_picture, count):
    index = Index(tmp_path / "few", spaces=[space])
    index.add([*notes(0, 30), *(sw.Image(write_picture(tmp_path / f"{n}.png", "red", n)) for n in range(count))])
    hits = index.search(sw.Image(write_picture(tmp_path / "asked.png", "red", 77)), k=40)
    assert hits[0].modality == "image"
    assert 2 < hits[0].score < 40
    assert all(abs(hit.score) < 40 for hit in hits)


def test_sample_queries_set_the_typical_best_match(index):
    assert cell(index, "text").origin == "probes"
    questions = ["red paint", "the last train", "rest the dough"]
    index.calibrate(questions)
    known = cell(index, "text")
    best = [index.search(question, k=1, modalities={"text"})[0].raw_score for question in questions]
    assert known.origin == "queries"
    assert known.queries == 3
    assert known.top1_mean == pytest.approx(np.mean(best), abs=1e-4)


def test_sample_queries_are_asked_again_when_the_collection_has_grown(tmp_path, space):
    index = Index(tmp_path / "growing", spaces=[space])
    index.add(notes(0, 10))
    index.calibrate(["something about penguins"])
    before = cell(index, "text").top1_mean
    index.add([*notes(10, 30), sw.Text("something about penguins")])
    after = cell(index, "text")
    assert after.top1_mean > before + 0.1
    assert after.queries == 1


def test_no_more_queries_are_kept_than_are_needed(index):
    index.calibrate([f"question {number}" for number in range(KEPT_QUERIES + 40)])
    assert cell(index, "text").queries == KEPT_QUERIES


def test_labels_give_probabilities_that_tell_answers_from_others(index):
    labels = [
        ("red", "red.png"),
        ("green", "green.png"),
        ("the last train", "trains.txt"),
        ("bread dough", ["bread.txt"]),
    ]
    index.calibrate(labels=labels)
    hits = index.search("blue", k=12, fusion="platt")
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert hits[0].source.endswith("blue.png")
    assert hits[0].score > 2 * hits[5].score


def test_statistics_are_decoded_once_until_they_change(index):
    known = cell(index, "text")
    index.search("red", fusion="above_chance")
    assert cell(index, "text") is known
    assert cell(index, "image") is not known
    index.calibrate(labels=[("red", "red.png"), ("the last train", "trains.txt")])
    assert known.slope is None
    assert cell(index, "text").slope is not None


def test_labels_outlive_a_new_estimate(index, corpus_folder):
    index.calibrate(labels=[("red", "red.png"), ("the last train", "trains.txt")])
    before = cell(index, "text").slope
    index.add(notes(0, 40))
    assert cell(index, "text").documents == 44
    assert cell(index, "text").slope == before


def test_labels_that_name_nothing_in_the_index_are_refused(index):
    with pytest.raises(ValueError, match="none of the labeled answers is in the index"):
        index.calibrate(labels=[("red", "nothing.png")])


def test_the_logistic_fit_finds_the_curve_that_drew_the_examples():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=4000)
    relevant = rng.uniform(size=4000) < 1 / (1 + np.exp(-(3 * scores - 1)))
    slope, intercept = fit_logistic(scores, relevant)
    assert (slope, intercept) == (pytest.approx(3, abs=0.4), pytest.approx(-1, abs=0.2))
    with pytest.raises(ValueError, match="relevant and other"):
        fit_logistic(scores, np.zeros(4000, bool))


def test_separable_labels_do_not_run_off():
    slope, intercept = fit_logistic(np.array([0.0, 0.1, 5.0, 5.1]), np.array([False, False, True, True]))
    assert 0 < slope < 20
    assert np.isfinite(intercept)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"queries": "a cat"}, "queries must be a list, not 'a cat'"),
        ({"queries": [sw.Query(["a cat", ("a dog", -1)])]}, "must be a str or media, not Query"),
        ({"labels": {"a cat": "cat.jpg"}}, "labels must be a list, not {'a cat'"),
        ({"labels": ["a cat"]}, "a label must be a pair"),
    ],
    ids=repr,
)
def test_what_cannot_be_learned_from_is_named(index, asked, says):
    with pytest.raises(TypeError, match=says):
        index.calibrate(**asked)


@pytest.mark.parametrize(
    ("queries", "documents", "says"),
    [
        (np.zeros((0, 4)), np.ones((3, 4)), "at least one query and one document"),
        (np.ones((2, 5)), np.ones((3, 4)), "queries have 5 dimensions, and documents 4"),
        (np.full((2, 4), np.nan), np.ones((3, 4)), "vectors of queries must be finite"),
        (np.ones((2, 4)), np.full((3, 4), np.inf), "vectors of documents must be finite"),
    ],
    ids=["none", "dimensions", "nan", "infinity"],
)
def test_vectors_that_say_nothing_of_chance_are_refused(queries, documents, says):
    with pytest.raises(ValueError, match=says):
        background(queries, documents)
