"""The sample corpus is found by plain questions, over the whole mixed index, and its papers are in order."""

import json
from pathlib import Path

import pytest

import senseweave as sw
from senseweave.demo.corpus import Question, questions

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "examples" / "data"
QUESTIONS = questions(CORPUS)
FOLDERS = ("texts", "images", "audio", "video")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> sw.Index:
    made = sw.Index(tmp_path_factory.mktemp("corpus") / "index")
    report = made.add([CORPUS / name for name in FOLDERS])
    assert not report.failed
    return made


def best_rank(question: Question, hits: list[sw.Hit]) -> int:
    """Rank of the first right answer, from 1; 99 if there is none."""
    sources = [Path(hit.source).relative_to(CORPUS).as_posix() for hit in hits]
    return next((rank for rank, source in enumerate(sources, start=1) if source in question.answers), 99)


def of(modality: str) -> list[Question]:
    return [question for question in QUESTIONS if question.modality == modality]


def test_most_photographs_are_in_the_top_3_of_the_mixed_corpus_by_a_plain_description(index: sw.Index) -> None:
    ranks = {question.question: best_rank(question, index.search(question.question, k=10)) for question in of("image")}
    found = sum(rank <= 3 for rank in ranks.values())
    assert found >= len(ranks) * 10 / 12, ranks


@pytest.mark.parametrize("question", of("audio"), ids=lambda question: question.question)
def test_a_recording_is_found_first_by_a_question_about_it_with_the_right_span(
    question: Question, index: sw.Index
) -> None:
    best = index.search(question.question, k=1)[0]
    assert Path(best.source).relative_to(CORPUS).as_posix() in question.answers
    assert best.span is not None
    assert question.span is not None
    start, end = max(best.span[0], question.span[0]), min(best.span[1], question.span[1])
    assert end - start > 0.3 * min(best.span[1] - best.span[0], question.span[1] - question.span[0])


def test_videos_and_texts_are_found_among_everything_else(index: sw.Index) -> None:
    for question in of("video") + of("text"):
        assert best_rank(question, index.search(question.question, k=5)) <= 3, question.question


def test_an_image_and_a_recording_find_themselves_and_their_like(index: sw.Index) -> None:
    assert index.search(sw.Image(CORPUS / "images" / "photo-01.jpg"), k=1)[0].source.endswith("photo-01.jpg")
    heard = index.search(sw.Audio(CORPUS / "audio" / "recording-04.ogg"), k=1)[0]
    assert heard.source.endswith("recording-04.ogg")


def test_adding_the_corpus_again_changes_nothing(index: sw.Index) -> None:
    before = len(index)
    report = index.add([CORPUS / name for name in FOLDERS])
    assert report.added == 0
    assert len(index) == before


def test_the_corpus_is_what_it_promises_to_be() -> None:
    counts = {name: len(list((CORPUS / name).iterdir())) for name in FOLDERS}
    assert counts["texts"] >= 12
    assert counts["images"] >= 12
    assert counts["audio"] >= 6
    assert counts["video"] >= 2
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 6_000_000


def test_every_file_of_the_corpus_has_its_licence_written_down() -> None:
    papers = (CORPUS / "LICENSES.md").read_text(encoding="utf-8")
    for name in FOLDERS:
        for path in (CORPUS / name).iterdir():
            assert path.name in papers or f"{name}/" in papers, path
    for path in (CORPUS / "images").iterdir():
        assert path.name in papers, path


def test_every_answer_of_a_question_is_a_file() -> None:
    for entry in json.loads((CORPUS / "questions.json").read_text(encoding="utf-8")):
        for answer in entry["answers"]:
            assert (CORPUS / answer).is_file()
