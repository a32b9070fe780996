"""The examples run offline as a user runs them, and answer with the right source first."""

import os
from pathlib import Path

import pytest
import warm_python

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["langchain_rag", "llama_index_rag", "haystack_rag"])
def test_a_rag_example_answers_with_its_sources(name: str) -> None:
    question = "When is the polar bear at the zoo fed?"
    example = str(ROOT / "examples" / f"{name}.py")
    done = warm_python.run(example, "--question", question, env=os.environ, timeout=580)
    assert done.returncode == 0, done.stderr
    answer = next(line for line in done.stdout.splitlines() if line.startswith("answer"))
    source = next(line for line in done.stdout.splitlines() if line.startswith("source 1"))
    assert "half past two" in answer
    assert "video-01.mp4" in source
    assert " s" in source


@pytest.mark.parametrize("name", ["langchain_agent", "llama_index_agent"])
def test_an_agent_example_searches_and_looks_before_it_answers(name: str) -> None:
    pytest.importorskip("mcp")
    done = warm_python.run(str(ROOT / "examples" / f"{name}.py"), env=os.environ, timeout=580)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("tool")] == ["search", "look"]
    assert "half past two" in done.stdout.splitlines()[-1]
    assert "video-01.mp4" in done.stdout.splitlines()[-1]


def test_the_alignment_example_is_better_on_held_out_pictures() -> None:
    done = warm_python.run(str(ROOT / "examples" / "align_images.py"), env=os.environ, timeout=580)
    assert done.returncode == 0, done.stderr
    assert "the aligned space is: better" in done.stdout.splitlines()[-1]
    assert "bridge" in done.stdout


def test_a_language_model_writes_questions_that_find_their_text() -> None:
    example = str(ROOT / "examples" / "synthetic_queries.py")
    done = warm_python.run(example, "--passages", "3", "--keep", "2", env=os.environ, timeout=580)
    assert done.returncode == 0, done.stderr
    assert "3 of 3 texts" in done.stdout
    assert " rows of 3 passages" in done.stdout
    assert "the model failed" not in done.stdout


def test_the_demo_shows_every_modality_and_answers_with_a_source() -> None:
    environment = {**os.environ, "COLUMNS": "160"}
    done = warm_python.run("-c", "from senseweave.cli import main; main()", "demo", env=environment, timeout=580)
    assert done.returncode == 0, done.stderr
    for modality in ("text", "image", "audio", "video"):
        assert modality in done.stdout
    assert "half past two" in done.stdout
    assert "source" in done.stdout
