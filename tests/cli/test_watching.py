"""`senseweave index --watch` keeps an index in step with a folder."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import START

import senseweave as sw
from senseweave.cli.watching import Visible, update


def test_hidden_files_and_the_index_itself_are_not_watched(tmp_path: Path) -> None:
    visible = Visible([tmp_path / "notes", tmp_path / "one.txt"], tmp_path / "notes" / "index")
    assert visible(str(tmp_path / "notes" / "a" / "b.txt"))
    assert visible(str(tmp_path / "one.txt"))
    for path in ("notes/.git/config", "notes/a/.b.txt", "notes/index/chroma.sqlite3", "two.txt", "notes2/a.txt"):
        assert not visible(str(tmp_path / path)), path


@pytest.mark.slow
def test_what_appears_moves_and_goes_is_in_the_index_as_it_is_in_the_folder(tmp_path: Path, corpus: Path) -> None:
    folder = tmp_path / "notes"
    shutil.copytree(corpus / "texts", folder)
    with sw.Index(tmp_path / "index") as index:
        index.add([folder])
        before = set(index.sources())
        (folder / "library.txt").rename(folder / "moved.txt")
        (folder / "new.txt").write_text("a new note about bees", encoding="utf-8")
        (folder / "half.jpg").write_bytes((corpus / "images" / "photo-01.jpg").read_bytes()[:2000])
        report = update(index, {str(folder / name) for name in ("library.txt", "moved.txt", "new.txt", "half.jpg")})
        names = {str(folder / "moved.txt"), str(folder / "new.txt")}
        assert set(index.sources()) == before - {str(folder / "library.txt")} | names
        assert (report.added, [Path(error.source).name for error in report.failed]) == (1, ["half.jpg"])
        shutil.rmtree(folder)
        update(index, {str(folder)})
        assert index.sources() == {}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="is interrupted by a signal")
def test_a_watched_folder_is_followed_until_interrupted(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "one.txt").write_text("the lighthouse keeper sleeps", encoding="utf-8")
    output = tmp_path / "output"
    with output.open("w") as file:
        command = [sys.executable, "-c", START, "index", str(folder), "--into", str(tmp_path / "index"), "--watch"]
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, "COLUMNS": "200"})
    try:
        until(lambda: "watching" in output.read_text(), process)
        (folder / "two.txt").write_text("bees fly at noon", encoding="utf-8")
        until(lambda: "holds 2 records" in output.read_text(), process)
        (folder / "one.txt").unlink()
        until(lambda: "1 deleted" in output.read_text(), process)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
    assert code == 0, output.read_text()
    assert output.read_text().splitlines()[-1].endswith("holds 1 records")


def until(holds: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 120
    while not holds():
        assert process.poll() is None, "ended by itself"
        assert time.monotonic() < end
        time.sleep(0.1)
