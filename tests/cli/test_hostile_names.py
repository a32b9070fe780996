"""What the command line prints of names and texts from outside: nothing that a terminal would obey."""

import json
import os
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import warm_python

pytestmark = pytest.mark.slow

NAMES = (
    "red\x1b[31m.txt",
    "c1\x9b31m.txt",
    "report\u202etxt.exe.txt",
    "isolate\u2066a\u2069.txt",
    "line\nbreak.txt",
    "[bold]markup[red] :smile:.txt",
)
WORDS = "the lighthouse \x1b[2J keeper \u202e sleeps \x9b1m"


def senseweave(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    values = {**os.environ, "COLUMNS": "200", **environment}
    return warm_python.run("-c", "from senseweave.cli import main; main()", *map(str, arguments), env=values)


def obeyed(text: str) -> set[str]:
    """Return the characters of an output that a terminal would obey."""
    return {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character != "\n"
    }


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("hostile")
    for number, name in enumerate(NAMES):
        (folder / name).write_text(f"{WORDS} {number}", encoding="utf-8")
        (folder / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([number]) * 40)
    return folder / "index", senseweave("index", folder, "--into", folder / "index")


def test_indexing_prints_hostile_names_escaped(index: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = index
    assert f"{len(NAMES)} added" in done.stdout
    assert obeyed(done.stdout + done.stderr) == set()
    assert "red\\x1b[31m.txt.png" in done.stdout
    assert "[bold]markup[red] :smile:.txt.png" in done.stdout


@pytest.mark.parametrize("columns", ["200", "60"])
def test_hits_are_printed_escaped(index: tuple[Path, Any], columns: str) -> None:
    done = senseweave("search", index[0], "lighthouse keeper", "-k", 9, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    assert obeyed(done.stdout + done.stderr) == set()
    assert "\\u202e" in done.stdout


def test_json_is_escaped_and_keeps_the_values(index: tuple[Path, Any]) -> None:
    done = senseweave("search", index[0], "lighthouse keeper", "-k", 9, "--json")
    assert obeyed(done.stdout) == set()
    hits = json.loads(done.stdout)
    assert {Path(hit["source"]).name for hit in hits} == set(NAMES)
    assert all(WORDS in hit["text"] for hit in hits)


@pytest.mark.parametrize("command", ["info", "verify"])
def test_other_commands_print_escaped(index: tuple[Path, Any], command: str) -> None:
    done = senseweave(command, index[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert obeyed(done.stdout + done.stderr) == set()


def test_errors_name_files_escaped(tmp_path: Path) -> None:
    for arguments in (("search", tmp_path / NAMES[0], "x"), ("index", tmp_path / NAMES[2], "--into", tmp_path / "i")):
        done = senseweave(*arguments)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1
        assert obeyed(done.stderr) == set()


def test_a_terminal_without_unicode_gets_escapes_and_valid_json(index: tuple[Path, Any]) -> None:
    shown = senseweave("search", index[0], "lighthouse", PYTHONIOENCODING="ascii")
    assert shown.returncode == 0, shown.stderr
    answer = senseweave("search", index[0], "lighthouse", "-k", 9, "--json", PYTHONIOENCODING="ascii")
    assert {Path(hit["source"]).name for hit in json.loads(answer.stdout)} == set(NAMES)
