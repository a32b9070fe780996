"""The command line as a person uses it: what it prints, and how it fails."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def senseweave(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from senseweave.cli import main; main()", *map(str, arguments)]
    environment = {"COLUMNS": "160", **__import__("os").environ}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A small mixed folder with one file that is broken."""
    folder = tmp_path_factory.mktemp("files")
    shutil.copy(corpus / "images" / "photo-01.jpg", folder)
    shutil.copy(corpus / "images" / "photo-02.jpg", folder)
    shutil.copy(corpus / "audio" / "recording-03.mp3", folder)
    shutil.copy(corpus / "texts" / "library.txt", folder)
    (folder / "broken.jpg").write_bytes((corpus / "images" / "photo-03.jpg").read_bytes()[:2000])
    return folder


@pytest.fixture(scope="module")
def index(files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("index") / "index"
    return folder, senseweave("index", files, "--into", folder)


def test_indexing_reports_what_was_added_and_what_failed(
    index: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = index
    assert done.returncode == 0, done.stderr
    assert "1 failed" in done.stdout
    assert "broken.jpg" in done.stdout
    assert folder.is_dir()


def test_indexing_again_adds_nothing(files: Path, index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = index
    again = json.loads(senseweave("index", files, "--into", folder, "--json").stdout)
    assert again["added"] == 0
    assert again["skipped"] > 0


def test_a_search_prints_rank_score_modality_source_and_text(
    index: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    found = senseweave("search", index[0], "a cat", "-k", 2)
    assert found.returncode == 0, found.stderr
    assert "photo-01.jpg" in found.stdout
    assert "image" in found.stdout
    assert "cat" in found.stdout


def test_a_search_as_json_gives_spans_of_recordings(index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    hits = json.loads(senseweave("search", index[0], "who has found an umbrella?", "--json").stdout)
    assert hits[0]["modality"] == "audio"
    start, end = hits[0]["span"]
    assert 0 <= start < end <= 14


def test_only_the_wanted_modality_is_found(index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    hits = json.loads(senseweave("search", index[0], "a cat", "--modality", "text", "--json").stdout)
    assert {hit["modality"] for hit in hits} == {"text"}


def test_an_image_can_be_the_query(files: Path, index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    hits = json.loads(senseweave("search", index[0], "--image", files / "photo-02.jpg", "--json").stdout)
    assert hits[0]["source"].endswith("photo-02.jpg")


def test_info_counts_records_by_modality(index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    facts = json.loads(senseweave("info", index[0], "--json").stdout)
    counts = {row["modality"]: row["records"] for row in facts["collections"]}
    assert counts == {"text": 1, "image": 2, "audio": 1, "video": 0}
    assert senseweave("info", index[0]).returncode == 0


def test_models_are_listed_with_their_extras() -> None:
    listed = senseweave("models")
    assert listed.returncode == 0, listed.stderr
    for word in ("starter", "clip", "senseweave[", "Apache-2.0"):
        assert word in listed.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "no-such-index", "a cat"], "no-such-index"),
        (["info", "no-such-index"], "no-such-index"),
        (["index", "no-such-file", "--into", "somewhere"], "no-such-file"),
        (["search", "INDEX", "a cat", "--modality", "smell"], "'smell' is not a modality"),
        (["search", "INDEX"], "give one query"),
        (["search", "INDEX", "--image", "no-such.jpg"], "no-such.jpg"),
        (["search", "INDEX", "--image", "TEXT"], "library.txt"),
        (["search", "INDEX", "--audio", "TEXT"], "library.txt"),
    ],
)
def test_a_mistake_gives_one_clear_line_and_exit_code_2(
    arguments: list[str], said: str, files: Path, index: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    stand_ins = {"INDEX": str(index[0]), "TEXT": str(files / "library.txt")}
    failed = senseweave(*[stand_ins.get(argument, argument) for argument in arguments])
    assert failed.returncode == 2
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr


def test_an_index_is_measured_by_questions_whose_answers_are_known(
    files: Path, index: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    asked = tmp_path / "questions.json"
    entries = [
        {"query": "a cat", "relevant": ["photo-01.jpg"]},
        {"query": "who found it?", "relevant": ["recording-03.mp3"]},
    ]
    asked.write_text(json.dumps(entries), encoding="utf-8")
    measured = json.loads(senseweave("eval", index[0], asked, "--json").stdout)
    mix = next(row for row in measured["cells"] if row["documents"] == "all")
    assert mix["questions"] == 2
    assert 0 < mix["recall@10"] <= 1
    assert "all" in senseweave("eval", index[0], asked).stdout
