"""Every example runs offline and shows what it is there to show."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(capsys):
    def run_example(name: str, *arguments: str) -> str:
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.main(arguments)
        return capsys.readouterr().out

    return run_example


def test_rag_answers_from_a_text_and_from_a_recording(run):
    out = run("rag_over_media", "On which day is the library closed?", "Which bridge will be closed for repairs?")
    text, sound = out.strip().split("\n\n")
    assert re.search(r"\[1\] .*library\.txt", text)
    assert re.search(r"\[1\] \(shown: ", text)
    assert "recording-05.m4a" in sound
    assert re.search(r"shown: \d images, [1-9] recordings", sound)


def test_an_image_finds_itself_and_something_of_every_kind(run):
    out = run("image_to_anything")
    text, image, sound = out.strip().split("\n\n")
    assert image.splitlines()[1].split()[1] == "photo-01.jpg"
    assert len(text.splitlines()) == len(sound.splitlines()) == 4
    assert "cats.md" in text


def test_the_agent_calls_its_tool_and_answers_from_what_it_was_shown(run):
    lines = run("agent_with_media", "How do I remove lime from a kettle?").splitlines()
    assert [line.split()[0] for line in lines] == ["human", "ai", "tool", "ai"]
    assert "calls search_media({'query': 'How do I remove lime from a kettle?'})" in lines[1]
    assert "4 documents as ['text'" in lines[2]
    assert "images" in lines[3]


def test_the_agent_stops_before_each_tool_looks_listens_and_cites_a_span(run):
    pytest.importorskip("langgraph")
    *approved, answer = run("listening_agent").strip().splitlines()
    assert [re.match(r"approved (\w+)", line)[1] for line in approved] == ["search_media", "look", "listen"]
    assert re.search(r"recording-05\.m4a from 0 to 12\.\d seconds: .*bridge over the river will be closed", answer)
    assert "1 picture" in answer


def test_incremental_indexing_does_no_more_than_it_must(run):
    counts = [re.findall(r"(\d+) (?:added|skipped|deleted)", line) for line in run("incremental_indexing").splitlines()]
    assert counts[:3] == [["3", "0", "0"], ["0", "3", "0"], ["1", "2", "1"]]
    assert counts[3][1:] == ["3", "0"]
    assert counts[4][0::2] == ["0", "1"]


def test_every_example_is_run_here():
    tested = {"rag_over_media", "image_to_anything", "agent_with_media", "incremental_indexing", "offline_models"}
    tested |= {"listening_agent", "finetuned_model"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_a_tuned_model_is_used_by_the_name_of_its_folder(tmp_path):
    spec = importlib.util.spec_from_file_location("example_finetuned_model", EXAMPLES / "finetuned_model.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    options = {"epochs": 6, "batch_size": 16, "learning_rate": 1e-4, "general": example.ROWS[:10]}
    assert example.main(tmp_path / "tuned", **options) == "The water tank leaks oil."
