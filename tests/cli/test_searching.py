"""`senseweave search`: its options, what it prints into a pipe, and an index that is empty."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import piped

from senseweave.retrieval.stores.lock import FolderLock

pytestmark = pytest.mark.slow

CAT = Path("files") / "photographs of animals, taken at home" / "in the long summer of the year 2023" / "photo-01.jpg"


def as_json(home: Path, *arguments: object) -> list[dict[str, object]]:
    done = piped("search", home / "index", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_a_pipe_gets_two_lines_for_each_hit_without_escape_sequences(home: Path) -> None:
    done = piped("search", "index", "a cat", folder=home)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 * 4
    assert lines[0].split(maxsplit=3)[0::2] == ["1", "image"]
    assert lines[0].endswith(str(CAT))
    assert "cat" in lines[1]
    assert "No registration is needed" in next(line for line in lines if "Riverside" in line)
    assert "\x1b" not in done.stdout + done.stderr


def test_paths_are_for_other_programs(home: Path) -> None:
    done = piped("search", "index", "a cat", "--paths", folder=home)
    assert done.stdout.splitlines()[0] == str(CAT)
    ended = piped("search", "index", "a cat", "-0", "-k", 1, folder=home)
    listed = subprocess.run(["xargs", "-0", "ls"], input=ended.stdout, text=True, capture_output=True, cwd=home)
    assert listed.stdout.strip() == str(CAT)


HEAVY = {
    "torch", "torchvision", "transformers", "sentence_transformers", "timm", "scipy", "sklearn", "pandas", "sympy",
    "matplotlib", "av", "faster_whisper", "ctranslate2", "soundfile", "soxr", "silero_vad", "pypdfium2", "lxml",
    "openpyxl", "resiliparse", "pillow_heif", "resvg_py", "simplejpeg", "huggingface_hub", "kubernetes", "PIL",
    "senseweave.encoders.families.contextual", "senseweave.encoders.parts.graph_encoder",
    "senseweave.encoders.rerankers.loading", "senseweave.media.splitting", "senseweave.retrieval.integrity.repair",
    "senseweave.retrieval.records.ingest", "senseweave.retrieval.records.transfer",
    "senseweave.retrieval.search.rerank",
}  # fmt: skip
"""What a question in words needs nothing of; importing some of it takes seconds."""


def test_a_question_in_words_imports_nothing_that_it_does_not_need(home: Path) -> None:
    code = (
        "import atexit, sys\n"
        f"heavy = {HEAVY!r}\n"
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)), file=sys.stderr))\n"
        "from senseweave.cli import main; main()\n"
    )
    command = [sys.executable, "-c", code, "search", "index", "a cat"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, env=os.environ, check=True)
    assert done.stdout.splitlines()[0].endswith(str(CAT))
    assert done.stderr.splitlines()[-1] == "[]"


COUNT_COLLECTIONS = """
import atexit, gc, sys
from senseweave.cli import main
gc.collect()
counts = {"before": 0, "after": 0}

def count(phase, information):
    if phase == "start":
        counts["after" if gc.get_freeze_count() else "before"] += 1

gc.callbacks.append(count)
atexit.register(lambda: print(*counts.values(), gc.isenabled(), file=sys.stderr))
main()
"""
"""Counts collections of garbage before and after those that are alive are left out of them."""


def collections(folder: Path, *arguments: str) -> tuple[int, int]:
    command = [sys.executable, "-c", COUNT_COLLECTIONS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=os.environ, check=True)
    before, after, is_enabled = done.stderr.splitlines()[-1].split()
    assert is_enabled == "True"
    return int(before), int(after)


@pytest.mark.parametrize("arguments", [("search", "index", "a cat"), ("list", "index"), ("info", "index"), ("models",)])
def test_a_brief_command_collects_no_garbage_as_it_imports_libraries(home: Path, arguments: tuple[str, ...]) -> None:
    before, after = collections(home, *arguments)
    assert before == 0
    assert after < 10


def test_a_longer_command_collects_garbage(home: Path) -> None:
    before, after = collections(home, "verify", "index")
    assert before == 0
    assert after > 20


def test_pages_continue_where_the_last_ended(home: Path) -> None:
    whole = as_json(home, "a cat", "-k", 4)
    page = as_json(home, "a cat", "-k", 2, "--offset", 2)
    assert [(hit["rank"], hit["id"]) for hit in page] == [(hit["rank"], hit["id"]) for hit in whole[2:]]


def test_hits_below_a_score_are_left_out(home: Path) -> None:
    hits = as_json(home, "a cat", "--min-score", 0.5)
    assert [hit["modality"] for hit in hits] == ["image"]


def test_words_find_a_file_by_its_name(home: Path) -> None:
    assert as_json(home, "photo-01.jpg", "--words", "-k", 1)[0]["source"] == str(home / CAT)


def test_a_filter_limits_the_search(home: Path) -> None:
    assert {hit["modality"] for hit in as_json(home, "a cat", "--filter", "mime_type=audio/mpeg")} == {"audio"}


def test_a_field_that_no_record_has_is_named_with_the_closest_that_there_is(home: Path) -> None:
    done = piped("search", home / "index", "a cat", "--filter", "mime_typ=audio/mpeg")
    assert done.returncode == 0
    assert done.stdout == ""
    assert "no record has a field 'mime_typ'; did you mean 'mime_type'?" in done.stderr


def test_words_and_an_image_are_one_query(home: Path) -> None:
    image = home / "files" / "photo-02.jpg"
    assert str(as_json(home, "a cat", "--image", home / CAT)[0]["source"]).endswith("photo-01.jpg")
    assert str(as_json(home, "--image", image)[0]["source"]).endswith("photo-02.jpg")
    apart, together = as_json(home, "--image", image), as_json(home, "umbrella on the bus", "--image", image)
    assert [hit["score"] for hit in apart] != [hit["score"] for hit in together]


def test_grouping_lists_each_source_once(home: Path) -> None:
    sources = [hit["source"] for hit in as_json(home, "umbrella", "-k", 9, "--group")]
    assert len(sources) == len(set(sources)) == 4


def test_a_device_is_used_or_refused(home: Path) -> None:
    assert as_json(home, "a cat", "--device", "cpu", "-k", 1)[0]["modality"] == "image"
    refused = piped("search", home / "index", "a cat", "--device", "gpu0")
    assert refused.returncode == 2
    assert "device 'gpu0' is not known to torch; expected cpu, cuda" in refused.stderr


def test_several_devices_are_used_or_refused(home: Path) -> None:
    one = as_json(home, "a cat", "--device", "cpu", "-k", 1)
    assert as_json(home, "a cat", "--device", "cpu,cpu", "-k", 1) == one
    twice = piped("search", home / "index", "a cat", "--device", "cuda:0,cuda")
    assert twice.returncode == 2
    assert "--device names 'cuda' twice ('cuda:0' is the same device)" in twice.stderr


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--paths"]])
def test_an_empty_index_says_that_it_is_empty(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert piped("index", tmp_path / "nothing", "--into", tmp_path / "index").returncode == 1
    done = piped("search", tmp_path / "index", "a cat", *arguments)
    assert done.returncode == 1
    assert "the index is empty; add files with: senseweave index FILES --into" in done.stderr
    assert done.stdout == ""


def test_an_empty_index_that_is_being_written_to_says_so(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert piped("index", tmp_path / "nothing", "--into", tmp_path / "index").returncode == 1
    with FolderLock(tmp_path / "index").held(10):
        searched = piped("search", tmp_path / "index", "a cat")
        listed = piped("list", tmp_path / "index")
    assert searched.returncode == listed.returncode == 1
    assert "the index is empty; another process is writing to it: try again" in searched.stderr
    assert "is empty; another process is writing to it" in listed.stderr
