"""Two lines for each hit, whatever the width: what is printed for hits that a search could return."""

import io
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from senseweave.cli.hits import link_target, print_hits, print_paths
from senseweave.retrieval import Hit

LONG = "/home/ann/" + "a folder with a long name/" * 6 + "photo.jpg"
HIT = Hit("1", 0.8312, 0.4, "image", LONG, "word " * 60, "starter", "none")
LINK = re.compile(r"\x1b\]8;[^;]*;([^\x1b]*)\x1b\\")


def shown(*hits: Hit, width: int, first: int = 1, **options: Any) -> str:
    file = io.StringIO()
    print_hits(Console(file=file, width=width, **{"force_terminal": True, **options}), hits, first=first)
    return file.getvalue()


def plain(output: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", LINK.sub("", output))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_hit_takes_two_lines_and_its_path_is_whole(width: int) -> None:
    first, second = plain(shown(HIT, width=width)).splitlines()
    assert first == f"1   0.831  image  {LONG}"
    assert second.startswith("   word word")
    assert len(second) <= width
    assert second.endswith("…")


def test_into_a_pipe_goes_the_whole_text_without_escape_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    output = shown(HIT, width=80, force_terminal=False)
    assert output.splitlines()[1] == "   " + ("word " * 60).strip()
    assert "\x1b" not in output


def test_a_path_below_the_current_folder_is_relative_and_linked_absolutely(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    source = tmp_path / "a b" / "é.jpg"
    output = shown(replace(HIT, source=str(source), sources=()), width=80, color_system="standard")
    assert plain(output).splitlines()[0].endswith("image  " + os.path.join("a b", "é.jpg"))
    assert LINK.findall(output)[0] == source.as_uri()
    assert source.as_uri().endswith("/a%20b/%C3%A9.jpg")


@pytest.mark.parametrize("terminal", ["linux", "dumb"])
def test_a_terminal_that_knows_no_links_gets_none(terminal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", terminal)
    console = {"color_system": "standard"} if terminal == "linux" else {}
    assert LINK.findall(shown(HIT, width=80, **console)) == []


def test_no_color_leaves_links_and_takes_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    colored = shown(HIT, width=80, color_system="standard")
    uncolored = shown(HIT, width=80, color_system="standard", no_color=True)
    assert "\x1b[36m" in colored
    assert "\x1b[36m" not in uncolored
    assert LINK.findall(uncolored)[0] == Path(LONG).as_uri()


def test_only_files_and_web_pages_are_linked() -> None:
    assert link_target("https://example.org/a.jpg") == "https://example.org/a.jpg"
    for source in ("javascript:alert(1)", "bytes:0a1b", "https://example.org/\x1b]0;title", "notes/a.txt"):
        assert link_target(source) is None


def test_a_key_in_a_url_is_neither_shown_nor_linked() -> None:
    output = shown(replace(HIT, source="https://example.org/a.jpg?token=abc123", sources=()), width=80)
    assert "https://example.org/a.jpg?token=[redacted]" in output
    assert "abc123" not in output


def test_the_spans_of_a_grouped_hit_and_other_sources_are_counted() -> None:
    spans = tuple((float(start), start + 10.0) for start in range(0, 60, 10))
    hit = replace(HIT, modality="audio", source="/t.mp3", span=spans[0], spans=spans, sources=("/t.mp3", "/u.mp3"))
    first = plain(shown(hit, width=80)).splitlines()[0]
    assert "/t.mp3  0:00.0–0:10.0, 0:10.0–0:20.0, 0:20.0–0:30.0, 0:30.0–0:40.0, 2 more" in first  # noqa: RUF001
    assert first.endswith("(+1 more of the same content)")


def test_ranks_go_on_at_the_next_page_and_line_up() -> None:
    lines = plain(shown(HIT, HIT, width=300, first=9)).splitlines()
    assert [line[:2] for line in lines[::2]] == [" 9", "10"]
    assert lines[1].startswith("    word")


def test_wide_characters_are_counted_as_the_terminal_shows_them() -> None:
    second = plain(shown(replace(HIT, text="猫" * 60), width=40)).splitlines()[1]
    assert second.strip(" …") == "猫" * 18


def test_paths_are_escaped_or_ended_by_null_bytes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sources = ["/a\nb.txt", "/a\nb.txt", "bytes:0a1b", "/ü.txt"]
    assert print_paths(sources, null=False) == 1
    print_paths(sources, null=True)
    escaped, _, raw = capfdbinary.readouterr().out.rpartition(b".txt\n")
    assert escaped.splitlines() == [b"/a\\nb.txt", "/ü".encode()]
    assert raw == b"/a\nb.txt\0" + "/ü.txt".encode() + b"\0"
