"""The command line as a person uses it: what it prints, and how it fails."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import command_line
import pytest
import warm_python

from senseweave.encoders.registry import BUILT_IN

pytestmark = pytest.mark.slow


def senseweave(*arguments: object, columns: int | None = 160) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    if columns is not None:
        environment["COLUMNS"] = str(columns)
    return warm_python.run("-c", "from senseweave.cli import main; main()", *map(str, arguments), env=environment)


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


def test_the_exit_code_tells_that_nothing_could_be_added(corpus: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((corpus / "images" / "photo-03.jpg").read_bytes()[:2000])
    done = senseweave("index", broken, "--into", tmp_path / "index", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["failed"][0]["source"] == str(broken)


def test_a_named_file_that_cannot_be_read_is_an_exit_code_and_one_in_a_folder_is_not(
    corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(corpus / "texts" / "library.txt", folder / "library.txt")
    (folder / "Thumbs.db").write_bytes(bytes(range(256)) * 4)
    done = senseweave("index", folder, "--into", tmp_path / "index")
    assert (done.returncode, done.stdout.count("Thumbs.db")) == (0, 1), done.stderr
    done = senseweave("index", folder, folder / "Thumbs.db", "--into", tmp_path / "index")
    assert (done.returncode, "1 unchanged, 1 failed" in done.stdout) == (1, True), done.stderr


def test_a_file_with_content_already_in_the_index_is_counted_as_a_copy(corpus: Path, tmp_path: Path) -> None:
    for name in ("first.txt", "second.txt"):
        shutil.copy(corpus / "texts" / "library.txt", tmp_path / name)
        done = senseweave("index", tmp_path / name, "--into", tmp_path / "index")
        assert done.returncode == 0, done.stderr
    assert "0 added, 1 copy, 0 unchanged, 0 failed" in done.stdout


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = senseweave("index", tmp_path / "empty", "--into", tmp_path / "index")
    assert done.returncode == 1
    assert "nothing to add in" in done.stderr


def test_a_link_to_a_folder_is_reported(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    shutil.copy(corpus / "texts" / "library.txt", folder)
    (folder / "linked").symlink_to(corpus / "texts", target_is_directory=True)
    done = senseweave("index", folder, "--into", tmp_path / "index")
    assert done.returncode == 0
    assert "1 added" in done.stdout
    assert "linked: is a link to a folder" in done.stdout


def test_a_damaged_mp3_is_indexed_without_printing_the_notes_of_its_decoder(corpus: Path, tmp_path: Path) -> None:
    data = bytearray((corpus / "audio" / "recording-03.mp3").read_bytes())
    data[5000:9000] = bytes(4000)
    (tmp_path / "holes.mp3").write_bytes(data)
    done = senseweave("index", tmp_path / "holes.mp3", "--into", tmp_path / "index")
    assert "mpg123" not in done.stderr
    assert "resync" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_an_interruption_says_how_to_go_on(corpus: Path, tmp_path: Path) -> None:
    interrupted = """
import os, signal, sys
from senseweave.retrieval import Index
Index.add = lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)
from senseweave.cli import main
main()
"""
    command = [sys.executable, "-c", interrupted, "index", str(corpus / "texts"), "--into", str(tmp_path / "index")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 130
    assert "the same command continues from there" in done.stderr
    assert "Traceback" not in done.stderr


def test_indexing_again_adds_nothing(files: Path, index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = index
    again = json.loads(senseweave("index", files, "--into", folder, "--json").stdout)
    assert again["added"] == 0
    assert again["skipped"] > 0


def test_a_search_prints_rank_score_modality_source_and_text(
    index: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    found = senseweave("search", index[0], "a cat", "-k", 2, columns=200)
    assert found.returncode == 0, found.stderr
    assert "photo-01.jpg" in found.stdout
    assert "image" in found.stdout
    assert "cat" in found.stdout


def test_what_is_read_only_in_part_is_told(tmp_path: Path) -> None:
    note = tmp_path / "note.txt"
    note.write_bytes("Die Straße führt über die Brücke. ".encode() + b"\xe9")
    done = senseweave("index", note, "--into", tmp_path / "index", "--json")
    told = ["1 byte that utf-8 does not allow was replaced"]
    assert json.loads(done.stdout)["partial"] == [{"source": str(note), "notes": told}]
    shown = senseweave("index", note, "--into", tmp_path / "another").stdout
    assert "1 partly read, 0 failed" in shown
    assert f"partly read {note}: {told[0]}" in " ".join(shown.split())
    below = command_line.piped("index", "note.txt", "--into", "third", folder=tmp_path).stdout
    assert f"partly read note.txt: {told[0]}" in " ".join(below.split())


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


def test_info_lists_the_kinds_of_files() -> None:
    kinds = {kind["kind"]: kind for kind in json.loads(senseweave("info", "--kinds", "--json").stdout)}
    assert kinds["PDF"]["reader"] == "pypdfium2"
    assert kinds["PDF"]["installed"] is (kinds["PDF"]["install"] is None)
    printed = senseweave("info", "--kinds", columns=300).stdout
    assert all(name in printed for name in kinds)
    assert "not both" in senseweave("info", "folder", "--kinds").stderr


def test_info_counts_records_by_modality(index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    facts = json.loads(senseweave("info", index[0], "--json").stdout)
    counts = {row["modality"]: row["records"] for row in facts["collections"]}
    assert counts == {"text": 1, "image": 2, "audio": 1, "video": 0}
    assert senseweave("info", index[0]).returncode == 0


def test_models_are_listed_with_modalities_dimension_extra_and_license() -> None:
    listed = senseweave("models")
    assert listed.returncode == 0, listed.stderr
    (clap,) = (line.split() for line in listed.stdout.splitlines() if line.startswith(" clap "))
    assert clap == ["clap", "text,", "audio", "512", "audio-models", "Apache-2.0", "laion/clap-htsat-unfused"]
    assert len(json.loads(senseweave("models", "--json").stdout)) == len(BUILT_IN)


def test_a_narrow_terminal_leaves_out_the_names_that_it_would_break() -> None:
    listed = senseweave("models", columns=72).stdout
    assert "clap" in listed
    assert "laion/" not in listed
    assert max(map(len, listed.splitlines())) <= 72


def test_a_named_family_is_described_with_its_examples() -> None:
    told = senseweave("models", "clip").stdout
    assert 'sw.load("openai/clip-vit-base-patch32")  # 512 dimensions' in told
    assert 'pip install "senseweave[image]"' in told


def test_lines_written_to_a_pipe_are_not_wrapped(index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    found = senseweave("search", index[0], "a cat", "-k", 1, columns=None)
    first, second = found.stdout.splitlines()
    assert first.endswith("photo-01.jpg")
    assert "cat" in second


def test_in_a_narrow_terminal_the_path_of_a_hit_is_whole(
    files: Path, index: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    found = senseweave("search", index[0], "a cat", "-k", 1, columns=50)
    first, second = found.stdout.splitlines()
    assert first.startswith("1 ")
    assert first.endswith(str(files / "photo-01.jpg"))
    assert len(second) <= 50


def test_a_reader_that_stops_early_causes_no_error(index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    command = f"{sys.executable} -c 'from senseweave.cli import main; main()' search {index[0]} cat --json | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "[\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "no-such-index", "a cat"], "no-such-index"),
        (["info", "no-such-index"], "no such folder"),
        (["info", "FOLDER"], "there is no index here; create an index with: senseweave index"),
        (["search", "TEXT", "a cat"], "library.txt: is a file"),
        (["index", "TEXT", "--into", "TEXT"], "library.txt: is a file"),
        (["eval", "INDEX", "no-such.json"], "no-such.json: No such file"),
        (["models", "clop"], "'clop' is not a family"),
        (["index", "no-such-file", "--into", "somewhere"], "no-such-file"),
        (["index", "The dog sleeps all day.", "--into", "somewhere"], "indexes files: write the text to a file"),
        (["search", "INDEX", "a cat", "--modality", "smell"], "'smell' is not a modality"),
        (["search", "INDEX"], "pass a query"),
        (["search", "INDEX", "--image", "no-such.jpg"], "no-such.jpg"),
        (["search", "INDEX", "--image", "TEXT"], "library.txt"),
        (["search", "INDEX", "--audio", "TEXT"], "library.txt"),
    ],
)
def test_a_mistake_gives_one_clear_line_and_exit_code_2(
    arguments: list[str], said: str, files: Path, index: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    stand_ins = {"INDEX": str(index[0]), "TEXT": str(files / "library.txt"), "FOLDER": str(files)}
    failed = senseweave(*[stand_ins.get(argument, argument) for argument in arguments])
    assert failed.returncode == 2
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(failed.stderr.strip().splitlines()) == 1, failed.stderr


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions about the files; the answer of the last is not among them."""
    file = tmp_path_factory.mktemp("asked") / "questions.json"
    entries = [
        {"query": "a cat", "relevant": ["photo-01.jpg"]},
        {"query": "who found it?", "relevant": ["recording-03.mp3"]},
        {"query": "a yak", "relevant": ["yak.jpg"]},
    ]
    file.write_text(json.dumps(entries), encoding="utf-8")
    return file


def test_an_index_is_measured_by_questions_whose_answers_are_known(
    index: tuple[Path, subprocess.CompletedProcess[str]], asked: Path
) -> None:
    measured = json.loads(senseweave("eval", index[0], asked, "--json").stdout)
    mix = next(row for row in measured["cells"] if row["documents"] == "all")
    assert mix["questions"] == 3
    assert 0 < mix["recall@10"] <= 1
    assert measured["missing"] == [{"question": 3, "answers": ["yak.jpg"]}]


def test_answers_missing_from_the_index_are_reported_with_the_figures(
    index: tuple[Path, subprocess.CompletedProcess[str]], asked: Path
) -> None:
    told = senseweave("eval", index[0], asked)
    assert told.returncode == 0
    assert "all" in told.stdout
    assert "1 answers of 1 of 3 questions are not in the index" in told.stderr
    assert "entry 3 of questions.json: yak.jpg" in told.stderr


def test_writing_in_pictures_is_read_as_the_command_says(files: Path, tmp_path: Path) -> None:
    refused = senseweave("index", files / "photo-01.jpg", "--into", tmp_path / "index", "--ocr", "yes")
    assert (refused.returncode, refused.stderr.strip()[-40:]) == (2, "must be 'auto', 'on' or 'off', not 'yes'")
    made = senseweave("index", files / "photo-01.jpg", "--into", tmp_path / "index", "--ocr", "off", "--json")
    assert json.loads(made.stdout)["size"] == 1


def test_info_shows_the_cache_and_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SENSEWEAVE_CACHE_GB", "0.5")
    graph = tmp_path / "cache" / "graphs" / "quick" / "graph"
    graph.mkdir(parents=True)
    (graph / "model.onnx").write_bytes(bytes(2_500_000))
    facts = json.loads(senseweave("info", "--cache", "--json").stdout)
    assert (facts["folder"], facts["graphs"], facts["graph_bytes_limit"]) == (str(tmp_path / "cache"), 1, 500_000_000)
    printed = senseweave("info", "--cache", columns=300).stdout
    assert f"{tmp_path / 'cache'}: 2.5 MB" in printed
    assert "graphs: 1, 2.5 MB, at most 500.0 MB (SENSEWEAVE_CACHE_GB)" in printed
    assert "not both" in senseweave("info", "--cache", "--kinds").stderr
