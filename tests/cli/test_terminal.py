"""A search in a terminal of some width: two lines for each hit, links where they work, colors where they are wanted."""

import re
import sys
from pathlib import Path

import pytest
from command_line import in_terminal, piped

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")]

SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\]8;[^\x1b]*\x1b\\")


def hit_lines(output: str) -> list[str]:
    """Return the printed lines without escape sequences, from the first hit on."""
    lines = SEQUENCE.sub("", output).splitlines()
    return lines[next(number for number, line in enumerate(lines) if line.startswith("1 ")) :]


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_two_lines_for_each_hit_and_whole_paths(columns: int, home: Path) -> None:
    output = in_terminal("search", home / "index", "a cat", columns=columns)
    lines = hit_lines(output)
    assert len(lines) == 8
    cat = next((home / "files").rglob("photo-01.jpg"))
    assert lines[0].endswith(str(cat))
    assert max(map(len, lines[1::2])) <= columns
    assert cat.as_uri() in output
    assert "\x1b[36m" in output
    assert "╭" not in output


PLAIN = pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])


@PLAIN
def test_a_terminal_for_plain_text_gets_two_lines_for_each_hit_without_any_escape_sequence(
    environment: dict[str, str], home: Path
) -> None:
    output = in_terminal("search", "index", "a cat", columns=80, folder=home, **environment)
    assert "\x1b" not in output
    assert len(hit_lines(output)) == 8
    assert max(map(len, hit_lines(output)[1::2])) <= 80


@PLAIN
@pytest.mark.parametrize("command", ["--help", "index --help", "models", "models clip", "info index", "list index"])
def test_no_command_sends_escape_sequences_where_plain_text_is_wanted(
    command: str, environment: dict[str, str], home: Path
) -> None:
    output = in_terminal(*command.split(), columns=80, folder=home, **environment)
    assert "\x1b" not in output
    assert len(output.splitlines()) > 1


@PLAIN
def test_indexing_sends_no_escape_sequences_where_plain_text_is_wanted(
    environment: dict[str, str], home: Path, tmp_path: Path
) -> None:
    output = in_terminal("index", home / "files" / "library.txt", "--into", tmp_path / "i", columns=80, **environment)
    assert "\x1b" not in output
    assert "1 added" in output


def test_commands_that_explore_say_in_a_terminal_what_they_are_doing(home: Path, tmp_path: Path) -> None:
    for arguments, said in (
        (("duplicates", home / "index"), "comparing contents"),
        (("clusters", home / "index"), "grouping contents"),
        (("map", home / "index", tmp_path / "map.html"), "drawing the map"),
    ):
        assert said in in_terminal(*arguments, columns=80)
        plain = in_terminal(*arguments, columns=80, NO_COLOR="1")
        assert said in plain
        assert "\x1b" not in plain
        assert said not in piped(*arguments).stderr
