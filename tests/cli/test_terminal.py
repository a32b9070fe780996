"""A search in a terminal of some width: two lines for each hit, links where they work, colors where they are wanted."""

import re
import sys
from pathlib import Path

import pytest
from command_line import in_terminal

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


def test_a_terminal_without_colors_gets_none(home: Path) -> None:
    output = in_terminal("search", "index", "a cat", columns=80, folder=home, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", output)
    assert max(map(len, hit_lines(output)[1::2])) <= 80


def test_a_dumb_terminal_gets_plain_text(home: Path) -> None:
    output = in_terminal("search", "index", "a cat", columns=80, folder=home, TERM="dumb")
    assert "\x1b" not in output
    assert len(hit_lines(output)) == 8
