"""`list`, `delete`, `export` and `import`, and what a mistyped name may have meant."""

import json
import shutil
from pathlib import Path

import pytest
from command_line import piped

pytestmark = pytest.mark.slow


@pytest.fixture
def own_index(home: Path, tmp_path: Path) -> Path:
    """A copy of the index that a test may change."""
    shutil.copytree(home / "index", tmp_path / "index")
    return tmp_path / "index"


def sources(index: Path, *arguments: str) -> list[str]:
    listed = piped("list", index, "--json", *arguments)
    return [Path(entry["source"]).name for entry in json.loads(listed.stdout)]


def test_a_list_has_a_line_for_each_source(home: Path) -> None:
    lines = piped("list", "index", folder=home).stdout.splitlines()
    assert len(lines) == 4
    assert ["text", "1", str(Path("files") / "library.txt")] in [line.split(maxsplit=2) for line in lines]


def test_a_list_is_limited_by_modality_and_metadata(home: Path) -> None:
    assert sources(home / "index", "--modality", "audio") == ["recording-03.mp3"]
    assert sources(home / "index", "--filter", "mime_type=text/plain") == ["library.txt"]
    none = piped("list", home / "index", "--modality", "video")
    assert (none.returncode, none.stdout) == (1, "")
    assert "holds nothing of this kind" in none.stderr


def test_a_deleted_source_is_gone_and_its_file_stays(home: Path, own_index: Path) -> None:
    done = piped("delete", own_index, Path("files") / "library.txt", folder=home)
    assert "1 records deleted" in done.stdout
    assert "library.txt" not in sources(own_index)
    assert (home / "files" / "library.txt").exists()


def test_a_folder_stands_for_all_that_is_below_it(home: Path, own_index: Path) -> None:
    folder = home / "files" / "photographs of animals, taken at home"
    would_be = piped("delete", own_index, folder, "--dry-run", "--json")
    assert [Path(entry["source"]).name for entry in json.loads(would_be.stdout)] == ["photo-01.jpg"]
    assert len(sources(own_index)) == 4
    assert json.loads(piped("delete", own_index, folder, "--json").stdout) == {"deleted": 1, "size": 3}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("delete", "index", ""), "argument 3 is empty"),
        (("index", "", "--into", "index"), "argument 2 is empty"),
        (("index", "files", "--into", ""), "--into is empty"),
        (("index", "files", "--into="), "--into is empty"),
        (("search", "", "cat"), "argument 2 is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_variable_that_is_not_set_is_not_the_current_folder(
    tmp_path: Path, own_index: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "note.txt").write_text("a cat")
    before = sources(own_index)
    done = piped(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {says}, as a variable that is not set; the current folder is '.'\n"
    assert sources(own_index) == before
    assert not (tmp_path / "chroma.sqlite3").exists()


def test_a_url_is_named_as_it_was_given_and_not_fetched(tmp_path: Path) -> None:
    done = piped("index", "https://example.org/a.txt", "--into", tmp_path / "index")
    assert done.returncode == 2
    assert "https://example.org/a.txt: no such file or folder; this command fetches no URLs" in done.stderr
    with_key = piped("index", "https://example.org/a.txt?token=abcdef0123456789", "--into", tmp_path / "index")
    assert "[redacted]" in with_key.stderr
    assert "abcdef" not in with_key.stderr


def test_records_are_deleted_by_metadata_and_by_id(home: Path, own_index: Path) -> None:
    (text,) = json.loads(piped("search", home / "index", "cat", "--modality", "text", "--json").stdout)
    assert piped("delete", own_index, "--id", text["id"]).returncode == 0
    assert piped("delete", own_index, "--filter", "mime_type=audio/mpeg").returncode == 0
    assert sources(own_index) == ["photo-02.jpg", "photo-01.jpg"]
    assert piped("delete", own_index, "--filter", "mime_type=audio/mpeg").returncode == 1


def test_an_export_is_read_into_a_new_index_that_answers_alike(home: Path, tmp_path: Path) -> None:
    file, copy = tmp_path / "corpus.jsonl.gz", tmp_path / "copy"
    assert "4 records" in piped("export", home / "index", file).stdout
    assert "4 records read" in piped("import", file, "--into", copy).stdout
    asked = ("umbrella", "--json")
    found, expected = (json.loads(piped("search", place, *asked).stdout) for place in (copy, home / "index"))
    assert len(found) == len(expected) > 0
    for hit, original in zip(found, expected, strict=True):
        # Stores that hold the same vectors in other places round similarities differently.
        for name in ("score", "raw_score"):
            assert hit.pop(name) == pytest.approx(original.pop(name), abs=1e-4)
        assert hit == original


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serch", "INDEX", "cat"], "Did you mean 'search', 'serve'?"),
        (["search", "INDEX", "cat", "--modality", "imge"], "did you mean 'image'?"),
        (["index", "FILES", "--into", "NEW", "--space", "starterr"], "no model 'starterr'; did you mean 'starter'?"),
        (["index", "FILES", "--into", "NEW", "--space", "clip"], "'clip' is a family of models, not a model"),
        (["index", "FILES", "--into", "NEW", "--space", "open_clpi:x"], "did you mean 'open_clip'?"),
        (["models", "whisperr"], "'whisperr' is not a family"),
        (["models", "clop"], "did you mean 'clip'?"),
        (["delete", "INDEX", "files/libary.txt"], "did you mean 'files/library.txt'?"),
        (["delete", "INDEX"], "name what to delete by one of: sources, --id, --filter"),
        (["import", "no-such.jsonl", "--into", "NEW"], "no-such.jsonl: no such file"),
        (["index", "FILES", "--into", "NEW", "--watch", "--json"], "leave out --json"),
    ],
)
def test_a_mistyped_name_gives_one_line_with_what_may_be_meant(
    arguments: list[str], said: str, home: Path, tmp_path: Path
) -> None:
    stand_ins = {"INDEX": str(home / "index"), "FILES": str(home / "files"), "NEW": str(tmp_path / "new")}
    done = piped(*[stand_ins.get(argument, argument) for argument in arguments], folder=home, COLUMNS="80")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_path_in_an_error_of_usage_is_whole_on_one_line(home: Path) -> None:
    path = home / "files" / ("a long name " * 8)
    done = piped("search", home / "index", "cat", path, COLUMNS="80")
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_completion_can_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # tests have no shell as their parent
    shown = piped("--show-completion", "bash")
    assert "_SENSEWEAVE_COMPLETE=complete_bash" in shown.stdout or "COMPLETE" in shown.stdout
    assert "--install-completion" in piped("--help").stdout
