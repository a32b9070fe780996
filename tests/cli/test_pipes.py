"""Output that nobody reads: the program ends quietly, with the shell's exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import senseweave as sw

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-c", "from senseweave.cli import main; main()"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pipes")
    (folder / "a.txt").write_text("the lighthouse keeper sleeps")
    (folder / "questions.json").write_text(json.dumps([{"query": "keeper", "relevant": ["a.txt"]}]))
    with sw.Index(folder / "index") as index:
        assert index.add(folder / "a.txt").added == 1
    return folder


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGPIPE and no code for it")
@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "index", "keeper"],
        ["search", "index", "keeper", "--json"],
        ["info", "index"],
        ["verify", "index", "--json"],
        ["eval", "index", "questions.json"],
        ["index", "a.txt", "--into", "index"],
        ["models"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_reader_that_is_gone_ends_every_command_quietly(arguments: list[str], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *arguments], stdout=writer, stderr=subprocess.PIPE, cwd=folder, timeout=300, text=True, check=False
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr.strip() == ""


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_closed_output_is_no_error_and_no_database_takes_its_place(folder: Path) -> None:
    for closed in (">&-", ">&- 2>&-", "<&- >&- 2>&-"):
        shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, "info", "index"]
        done = subprocess.run(shell, stderr=subprocess.PIPE, cwd=folder, timeout=300, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    with sw.Index.open(folder / "index", spaces=[]) as index:
        assert index.verify().ok


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_of_one_line(folder: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, "models"], stdout=full, stderr=subprocess.PIPE, cwd=folder, timeout=300, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: [Errno 28] No space left on device"]
