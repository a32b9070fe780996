"""Evaluating a whole index against questions with known answers."""

import json

import pytest

import senseweave as sw
from senseweave.errors import UnsupportedModalityError
from senseweave.evaluation import Question, evaluate, read_questions
from senseweave.media import Image
from senseweave.retrieval import Index


def test_a_perfect_index_scores_one_per_modality_and_on_the_mix(index):
    result = evaluate(index, {"red": ["red.png"], "the last train": ["trains.txt"], "a high sound": ["song.wav"]}, k=3)
    for documents in ("text", "image", "audio", "all"):
        assert result.scores["text", documents]["recall"].mean == 1.0
    assert result.questions["text", "image"] == 1
    assert result.questions["text", "all"] == 3
    assert sum(result.shares["text"].values()) == pytest.approx(1.0)
    assert result.scores["text", "image"]["ndcg"].mean == 1.0


def test_an_answer_that_is_not_in_the_index_counts_as_missed_and_is_named(index):
    with pytest.warns(UserWarning, match=r"2 answers of 2 questions are not in the index.*lost\.png, dog\.txt"):
        result = evaluate(index, {"red": ["red.png", "lost.png"], "blue": ["blue.png"], "a dog": ["dog.txt"]}, k=5)
    assert result.missing == {0: ["lost.png"], 2: ["dog.txt"]}
    assert result.scores["text", "all"]["recall"].mean == pytest.approx((0.5 + 1 + 0) / 3)


def test_answers_none_of_which_are_in_the_index_are_refused(index):
    with pytest.raises(ValueError, match=r"none of the answers is in the index.*lost\.png"):
        evaluate(index, {"red": ["lost.png"]})


def test_answers_may_be_record_ids(index):
    (hit,) = index.search("red", k=1)
    result = evaluate(index, {"red": [hit.id]}, k=1)
    assert result.scores["text", "image"]["recall"].mean == 1.0
    assert result.missing == {}


def test_content_that_stands_at_two_places_answers_for_both(index, corpus_folder):
    (corpus_folder / "crimson.png").write_bytes((corpus_folder / "red.png").read_bytes())
    index.add(corpus_folder)
    result = evaluate(index, {"red": ["red.png", "crimson.png"]}, k=2)
    assert result.scores["text", "all"]["recall"].mean == 1.0
    assert result.scores["text", "all"]["ndcg"].mean == pytest.approx(1.0)


def test_windows_of_one_recording_count_once(index):
    result = evaluate(index, {"a sound": ["song.wav", "low.wav"]}, k=2, modalities=["audio"])
    assert result.scores["text", "audio"]["recall"].mean == 1.0


def test_query_modalities_are_reported_apart(index, corpus_folder):
    questions = [
        Question("red", {"red.png": 1.0}),
        Question(sw.Image(corpus_folder / "green.png"), {"green.png": 1.0}),
        Question(sw.Query([("red", 1), ("blue", 0.5)]), {"red.png": 2.0, "blue.png": 1.0}),
    ]
    result = evaluate(index, questions, k=4)
    assert {query for query, _ in result.scores} == {"text", "image", "composed"}
    assert result.scores["image", "image"]["mrr"].mean == 1.0
    assert {row["query"] for row in result.rows()} == {"text", "image", "composed"}


def test_questions_are_read_from_json_and_json_lines(tmp_path, corpus_folder):
    entries = [
        {"query": "red", "relevant": ["red.png"]},
        {"question": "trains", "answers": {"trains.txt": 2}},
        {"image": "corpus/green.png", "relevant": ["green.png"]},
    ]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, entries)))
    for name in ("list.json", "lines.jsonl"):
        first, second, third = read_questions(tmp_path / name)
        assert (first.query, first.relevant) == ("red", {"red.png": 1.0})
        assert second.relevant == {"trains.txt": 2.0}
        assert isinstance(third.query, Image)
        assert third.query.decode().size == (8, 8)


@pytest.mark.parametrize("layout", ["{}", "[{}]"])
def test_questions_may_begin_with_a_byte_order_mark_and_hold_any_character(tmp_path, layout):
    query = "red\u2028or\x85blue"
    entry = json.dumps({"query": query, "relevant": ["red.png"]}, ensure_ascii=False)
    (tmp_path / "questions.json").write_text(layout.replace("{}", entry), encoding="utf-8-sig")
    assert [question.query for question in read_questions(tmp_path / "questions.json")] == [query]


@pytest.mark.parametrize(
    "text", ['[{"query": "red"}]', '[{"relevant": ["a"]}]', "[1]", "[", '{"query": "a", "relevant": []}']
)
def test_an_invalid_file_of_questions_is_refused_with_its_path(tmp_path, text):
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(ValueError, match=r"broken\.json"):
        read_questions(tmp_path / "broken.json")


def test_no_questions_are_refused(index):
    with pytest.raises(ValueError, match="no questions"):
        evaluate(index, [])


def test_a_record_named_by_its_id_is_found_beside_better_records_of_its_source(tmp_path, space):
    (tmp_path / "wines.txt").write_text("red wine here.\n\nblue wine there.\n\nno wine now...")
    with Index(tmp_path / "wines", spaces=[space]) as index:
        index.add(tmp_path / "wines.txt", characters=18)
        third = index.search("red wine", k=3)[2].id
        (row, _) = evaluate(index, {"red wine": [third]}, k=3).rows()
        assert (row["recall@3"], row["mrr@3"]) == (1.0, 0.3333)
        assert evaluate(index, {"red wine": "wines.txt"}, k=3).rows()[0]["mrr@3"] == 1.0


def test_questions_without_answers_and_modalities_that_are_not_there_are_refused(index):
    with pytest.raises(ValueError, match="'red' names no answer"):
        evaluate(index, {"red": []})
    with pytest.raises(ValueError, match="unknown modality 'smell'"):
        evaluate(index, {"red": ["red.png"]}, modalities=["smell"])
    with pytest.raises(UnsupportedModalityError, match="video"):
        evaluate(index, {"red": ["red.png"]}, modalities=["video"])
    assert [row["documents"] for row in evaluate(index, {"red": ["red.png"]}, modalities="image").rows()] == [
        "all",
        "image",
    ]
