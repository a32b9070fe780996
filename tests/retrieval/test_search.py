"""Searching: exactness, filters, modalities, composed queries, grouping, diversity, paging."""

import itertools
import math
import re

import numpy as np
import pytest

import senseweave as sw
from senseweave.errors import UnsupportedModalityError
from senseweave.retrieval import METHODS, Index, Query
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion.above_chance import LIFT


@pytest.fixture
def library(tmp_path, space):
    """120 texts of known metadata."""
    index = Index(tmp_path / "library", spaces=[space])
    colours = ("red", "green", "blue")
    index.add(
        [
            sw.Text(
                f"book {number} about {colour} things",
                metadata={"number": number, "colour": colour, "price": number / 4},
            )
            for number, colour in zip(range(120), itertools.cycle(colours), strict=False)
        ]
    )
    return index


def stored(index):
    return [
        (description, row)
        for description in index._store.descriptions.values()
        for row in index._store.get(description, vectors=True)
    ]


def brute_force(index, vector, keep=lambda row: True):
    """Similarities of all records by id, computed from the stored vectors alone."""
    return {row.id: float(row.vector @ vector) for _, row in stored(index) if keep(row)}


def test_a_search_gives_the_same_ten_as_comparing_with_every_record(library, space):
    for question in ("a red book", "book 17", "green things", "what is blue"):
        vector = space.embed_text([question], role="query")[0]
        expected = sorted(brute_force(library, vector).items(), key=lambda pair: -pair[1])[:10]
        hits = library.search(question, k=10)
        assert [hit.raw_score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-5)
        assert {hit.id for hit in hits} <= {identifier for identifier, score in expected} | {
            identifier
            for identifier, score in brute_force(library, vector).items()
            if math.isclose(score, expected[-1][1], abs_tol=1e-5)
        }


def test_scores_over_several_modalities_follow_the_stored_statistics(index, space):
    vector = space.embed_text(["something red"], role="query")[0]
    expected = {}
    for description, row in stored(index):
        known = Statistics.from_dict(description.calibration["cells"]["text"])
        expected[row.id] = float(METHODS["tail"].score(np.array([row.vector @ vector]), known)[0])
    hits = index.search("something red", k=12, fusion="tail")
    assert len(hits) == 12
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-3)
    assert [hit.score for hit in hits] == sorted(expected.values(), reverse=True) or [
        hit.score for hit in hits
    ] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-3)


def test_the_default_scores_follow_the_stored_centre_and_statistics(index, space):
    vector = space.embed_text(["something red"], role="query")[0]
    expected = {}
    for description, row in stored(index):
        known = index._calibration.statistics(description, "text")
        mean = known.offset + float(known.center @ vector)
        expected[row.id] = (float(row.vector @ vector) - mean - LIFT * known.best) / known.spread
    hits = index.search("something red", k=12)
    assert {hit.calibration for hit in hits} == {"above_chance"}
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-3)
    assert [hit.id for hit in hits[:3]] == sorted(expected, key=expected.get, reverse=True)[:3]


def test_default_scores_of_a_composed_query_add_up_too(index, space):
    query = Query([("red", 1), ("sound", -0.5)])
    expected = {}
    for description, row in stored(index):
        known = index._calibration.statistics(description, "text")
        total = 0.0
        for media, weight in query.parts:
            vector = space.embed_text([media.decode()], role="query")[0]
            mean = known.offset + float(known.center @ vector) + LIFT * known.best
            total += weight * (float(row.vector @ vector) - mean) / known.spread
        expected[row.id] = total / math.sqrt(1.25)
    hits = index.search(query, k=12)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-3)


def test_text_does_not_outrank_the_picture_that_answers(index, names):
    raw = index.search("blue", k=12, fusion="none")
    assert names(index.search("blue", k=1)) == ["blue.png"]
    assert names(raw)[0] in ("blue.png", "colours.txt")


def test_every_method_ranks_and_says_its_name(index):
    index.calibrate(
        labels=[
            ("red", "red.png"),
            ("green", "green.png"),
            ("the last train", "trains.txt"),
            ("bread dough", "bread.txt"),
        ]
    )
    for method in METHODS:
        hits = index.search("red", k=5, fusion=method)
        assert {hit.calibration for hit in hits} == {method}
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_an_unknown_method_is_refused_with_those_there_are(index):
    with pytest.raises(ValueError, match="there are none, rrf"):
        index.search("red", fusion="magic")


def test_only_the_requested_modalities_are_searched(index):
    assert {hit.modality for hit in index.search("red", k=12, modalities={"image"})} == {"image"}
    assert {hit.modality for hit in index.search("red", k=12, modalities={"image", "audio"})} == {"image", "audio"}
    with pytest.raises(UnsupportedModalityError, match="video"):
        index.search("red", modalities={"video"})
    with pytest.raises(ValueError, match="smell"):
        index.search("red", modalities={"smell"})


def test_a_picture_or_a_recording_can_be_the_query(index, corpus_folder, names):
    assert names(index.search(sw.Image(corpus_folder / "green.png"), k=1, modalities={"image"})) == ["green.png"]
    assert names(index.search(sw.Audio(corpus_folder / "low.wav"), k=1, modalities={"audio"}))[0] in (
        "low.wav",
        "song.wav",
    )


def test_a_query_of_a_modality_that_no_space_embeds_is_refused(tmp_path, tiny, corpus_folder):
    index = Index(tmp_path / "texts", spaces=[tiny.make_space(modalities=("text",))])
    with pytest.raises(UnsupportedModalityError, match="image"):
        index.search(sw.Image(corpus_folder / "red.png"))


@pytest.mark.parametrize(
    ("condition", "keep"),
    [
        ({"colour": "red"}, lambda m: m["colour"] == "red"),
        ({"colour": ["red", "blue"]}, lambda m: m["colour"] in ("red", "blue")),
        ({"number": {"gte": 10, "lt": 20}}, lambda m: 10 <= m["number"] < 20),
        ({"price": {"gt": 20}}, lambda m: m["price"] > 20),
        ({"colour": {"ne": "red"}, "number": {"lte": 8}}, lambda m: m["colour"] != "red" and m["number"] <= 8),
        ({"or": [{"number": 3}, {"number": 4}]}, lambda m: m["number"] in (3, 4)),
        ({"and": [{"colour": "red"}, {"number": {"lt": 9}}]}, lambda m: m["colour"] == "red" and m["number"] < 9),
        ({"not": {"colour": "red"}}, lambda m: m["colour"] != "red"),
        ({"not": {"number": {"gte": 10, "lt": 110}}}, lambda m: not 10 <= m["number"] < 110),
        (
            {"not": {"or": [{"colour": "red"}, {"number": {"gt": 5}}]}},
            lambda m: not (m["colour"] == "red" or m["number"] > 5),
        ),
        (
            {"$and": [{"colour": {"$in": ["green"]}}, {"number": {"$gt": 100}}]},
            lambda m: m["colour"] == "green" and m["number"] > 100,
        ),
    ],
)
def test_filters_keep_exactly_the_records_that_meet_them(library, space, condition, keep):
    expected = {row.id for _, row in stored(library) if keep(row.metadata)}
    assert {hit.id for hit in library.search("a book", k=120, filter=condition)} == expected
    assert 0 < len(expected) < 120


@pytest.mark.parametrize(
    "condition",
    [
        {"number": {"about": 3}},
        {"and": {"a": 1}},
        {"colour": []},
        {"colour": None},
        {"colour": {"gt": "a"}},
        {"$xor": [{"a": 1}]},
    ],
)
def test_a_filter_that_is_not_understood_is_refused(library, condition):
    with pytest.raises(ValueError, match=r"number|and|colour|xor"):
        library.search("a book", filter=condition)


def test_parts_of_a_composed_query_add_up_as_documented(index, space):
    query = Query([("red", 1), ("the wall", 0.7), ("sound", -0.5)])
    expected = {}
    for description, row in stored(index):
        known = Statistics.from_dict(description.calibration["cells"]["text"])
        total = 0.0
        for media, weight in query.parts:
            vector = space.embed_text([media.decode()], role="query")[0]
            total += weight * (float(row.vector @ vector) - known.mean) / known.std
        expected[row.id] = total / math.sqrt(1 + 0.49 + 0.25)
    hits = index.search(query, k=12, fusion="zscore")
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-3)


def test_a_negative_part_pushes_its_records_down(index, names):
    plain = names(index.search("red blue", k=12, modalities={"image"}))
    without = names(index.search(Query([("red blue", 1), ("blue", -1)]), k=12, modalities={"image"}))
    assert set(plain[:2]) == {"red.png", "blue.png"}
    assert without[0] == "red.png"
    assert without[-1] == "blue.png"


def test_text_and_an_image_can_be_one_query(index, corpus_folder, names):
    hits = index.search(
        Query([("the last train", 1), (sw.Image(corpus_folder / "green.png"), 1)]), k=2, modalities=["text", "image"]
    )
    assert set(names(hits)) == {"trains.txt", "green.png"}


@pytest.mark.parametrize("parts", [[], "red", [("red", 0)], [("red", -1)], [("red", math.nan)], [("  ", 1)]])
def test_an_empty_or_weightless_query_is_refused(parts):
    with pytest.raises(ValueError, match=r"part|weight|empty"):
        Query(parts)


@pytest.mark.parametrize("weight", [1e10, -1e200, 10**400, math.inf, 1e-10, -1e-300, "1"])
def test_a_weight_that_vectors_cannot_be_multiplied_by_is_refused(weight):
    with pytest.raises(ValueError, match="a weight must be from 1e-09 to 1e\\+09, or the negative of it"):
        Query([("red", 1), ("blue", weight)])


@pytest.mark.parametrize("scale", [2e-9, 1e9])
def test_only_the_proportion_of_weights_counts(index, scale):
    plain = index.search(Query([("red", 1), ("blue", -0.5)]), k=8)
    scaled = index.search(Query([("red", scale), ("blue", -0.5 * scale)]), k=8)
    assert [hit.score for hit in scaled] == pytest.approx([hit.score for hit in plain], abs=1e-3)


def test_a_query_of_another_kind_is_refused(index):
    with pytest.raises(TypeError, match="a query must be a str"):
        index.search(42)


def test_grouping_joins_the_windows_of_a_recording_and_keeps_their_spans(index, names):
    loose = index.search("a high sound", k=4, modalities={"audio"})
    assert names(loose).count("song.wav") == 3
    grouped = index.search("a high sound", k=4, modalities={"audio"}, group=True)
    assert sorted(names(grouped)) == ["low.wav", "song.wav"]
    song = next(hit for hit in grouped if hit.source.endswith("song.wav"))
    assert song.span == (4.0, 6.0)
    assert song.spans[0] == song.span
    assert set(song.spans) == {(0.0, 2.0), (2.0, 4.0), (4.0, 6.0)}


def test_grouping_looks_past_a_source_that_fills_the_list(tmp_path, space, write_sound, names):
    index = Index(tmp_path / "index", spaces=[space])
    write_sound(tmp_path / "long.wav", ["high", "low"] * 15)
    write_sound(tmp_path / "short.wav", ["middle"])
    index.add([tmp_path / "long.wav", tmp_path / "short.wav"])
    assert len(index) == 31
    assert names(index.search("a high sound", k=2, group=True)) == ["long.wav", "short.wav"]


def test_diversity_brings_up_what_is_different(tmp_path, space, names):
    index = Index(tmp_path / "index", spaces=[space])
    wines = [sw.Text(f"red wine number {n} red wine", source=f"wine {n}") for n in range(6)]
    index.add([*wines, sw.Text("red paint", source="paint"), sw.Text("something else", source="other")])
    assert "paint" not in names(index.search("red wine", k=3))
    assert "paint" in names(index.search("red wine", k=3, diversity=0.8))
    assert names(index.search("red wine", k=8, diversity=0.0)) == names(index.search("red wine", k=8))
    with pytest.raises(ValueError, match="between 0 and 1"):
        index.search("red wine", diversity=2)


def test_pages_follow_each_other_without_gap_or_repeat(library):
    whole = [hit.id for hit in library.search("a red book", k=30)]
    pages = [hit.id for start in (0, 10, 20) for hit in library.search("a red book", k=10, offset=start)]
    assert pages == whole
    assert library.search("a red book", k=10, offset=500) == []


def test_a_minimum_score_cuts_the_tail(index):
    hits = index.search("red", k=12)
    threshold = hits[3].score
    assert [hit.id for hit in index.search("red", k=12, min_score=threshold)] == [hit.id for hit in hits[:4]]


def test_a_quota_gives_every_modality_its_share(index):
    hits = index.search("the last train leaves at midnight", k=4, quota={"image": 1, "audio": 2})
    assert [hit.modality for hit in hits].count("audio") >= 2
    assert [hit.modality for hit in hits].count("image") >= 1
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    with pytest.raises(ValueError, match="more than k"):
        index.search("red", k=2, quota={"image": 3})


def test_impossible_numbers_are_refused(index):
    for wrong in ({"k": 0}, {"offset": -1}):
        with pytest.raises(ValueError, match="at least"):
            index.search("red", **wrong)
    with pytest.raises(ValueError, match="weighted_rrf"):
        index.search("red", weights={"image": 2.0})


def test_weights_move_a_modality_up_in_weighted_rank_fusion(index):
    first = index.search("red", k=1, fusion="weighted_rrf", weights={"audio": 5.0})
    assert first[0].modality == "audio"


def test_an_empty_index_answers_with_nothing(tmp_path, space):
    assert Index(tmp_path / "empty", spaces=[space]).search("red") == []


def test_two_spaces_are_searched_at_once_and_a_record_in_both_is_one_hit(tmp_path, tiny, corpus_folder, names):
    index = Index(
        tmp_path / "two", spaces=[tiny.make_space(), tiny.make_space("second", seed="2", modalities=("text",), gap=2.0)]
    )
    index.add(corpus_folder)
    assert len(index) == 12 + 4
    hits = index.search("the last train leaves", k=20)
    assert names(hits)[0] == "trains.txt"
    assert len(hits) == 12
    assert {hit.space for hit in hits} == {"tiny", "second"}


def test_methods_that_need_statistics_say_so_beforehand():
    calibrated = {name for name, method in METHODS.items() if method.needs_statistics}
    assert calibrated == {"above_chance", "zscore", "pseudo_positive", "tail", "platt"}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"k": "3"}, TypeError, "k must be a whole number, not '3'"),
        ({"k": True}, TypeError, "k must be a whole number, not True"),
        ({"k": 2.0}, TypeError, "k must be a whole number, not 2.0"),
        ({"k": 0}, ValueError, "k must be at least 1, not 0"),
        ({"offset": -1}, ValueError, "offset must be at least 0, not -1"),
        ({"rerank_depth": 0}, ValueError, "rerank_depth must be at least 1"),
        ({"group": "no"}, TypeError, "group must be True or False, not 'no'"),
        ({"min_score": "high"}, TypeError, "min_score must be a number, not 'high'"),
        ({"min_score": math.nan}, ValueError, "min_score must be a finite number"),
        ({"diversity": 2}, ValueError, "diversity must be between 0 and 1, not 2"),
        ({"diversity": True}, TypeError, "diversity must be a number, not True"),
        ({"quota": {"images": 2}}, ValueError, "quota names 'images'; known names are text, image"),
        ({"quota": {"image": -1}}, ValueError, "the quota of image must be at least 0, not -1"),
        ({"quota": {"image": "2"}}, TypeError, "the quota of image must be a whole number"),
        ({"quota": 3}, TypeError, "quota must be a dict by name"),
        ({"k": 2, "quota": {"image": 2, "text": 1}}, ValueError, "add up to more than k=2"),
        ({"weights": {"sound": 1.0}, "fusion": "weighted_rrf"}, ValueError, "weights names 'sound'"),
        ({"weights": {"image": -1.0}, "fusion": "weighted_rrf"}, ValueError, "the weight of image must be at least 0"),
        ({"fusion": "best"}, ValueError, "unknown fusion method 'best'; there are"),
        ({"fusion": 5}, ValueError, "unknown fusion method 5"),
        ({"fusion": ["rrf"]}, ValueError, "unknown fusion method ['rrf']"),
        ({"modalities": 5}, TypeError, "modalities must be a set of text, image"),
        ({"modalities": []}, ValueError, "modalities is empty; expected some of text, image"),
        ({"modalities": ["picture"]}, ValueError, "unknown modality 'picture'"),
        ({"modalities": [["image"]]}, ValueError, "unknown modality"),
        ({"filter": "red"}, ValueError, "a filter must be a dict with at least one field, not 'red'"),
        ({"filter": ""}, ValueError, "a filter must be a dict"),
        ({"filter": []}, ValueError, "a filter must be a dict"),
        ({"filter": {3: "x"}}, ValueError, "field names of a filter must be str, not 3"),
        ({"filter": {"year": None}}, ValueError, "'year' must be compared with"),
        ({"filter": {"year": math.inf}}, ValueError, "'year' must be compared with"),
        ({"filter": {"year": {"like": 3}}}, ValueError, "unknown comparison 'like'"),
        ({"rerank": 5}, TypeError, "rerank must be the name of a cross-encoder"),
    ],
    ids=repr,
)
def test_an_argument_that_makes_no_sense_is_named(index, arguments, error, words):
    with pytest.raises(error, match=re.escape(words)):
        index.search("red", **arguments)


def test_numbers_of_numpy_are_numbers(index):
    hits = index.search("red", k=np.int64(3), min_score=np.float32(-100), quota={"image": np.int64(1)})
    assert len(hits) == 3


@pytest.mark.parametrize("method", [None, "above_chance", "none", "rrf", "dbsf"])
def test_a_collection_with_statistics_is_not_counted_and_may_be_empty(index, monkeypatch, method):
    index.delete(filter={"modality": "image"})

    def never(collection):
        raise AssertionError(collection)

    monkeypatch.setattr(index._store, "count", never)
    hits = index.search("red", k=3, fusion=method)
    assert [hit.calibration for hit in hits] == [method or "above_chance"] * 3
    assert index.search("red", fusion=method, modalities={"image"}, filter={"album": "x"}, diversity=0.5) == []


def test_any_number_of_hits_may_be_requested(index):
    everything = {hit.id for hit in index.search("red", k=12)}
    assert {hit.id for hit in index.search("red", k=2**40)} == everything
    assert {hit.id for hit in index.search("red", k=2**40, diversity=0.5, group=True)} <= everything
    assert index.search("red", offset=2**62) == []


def test_weights_of_a_query_may_be_numbers_of_numpy(index):
    parts = [("red", 1.0), ("the door", 0.5)]
    numbers = [("red", np.int64(1)), ("the door", np.float32(0.5))]
    assert index.search(sw.Query(numbers)) == index.search(sw.Query(parts))
