"""`senseweave verify` and `senseweave repair`: what they print, and their exit codes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import warm_python

import senseweave as sw

pytestmark = pytest.mark.slow
RECORDS = 1100
"""More than Chroma keeps in its queue before it writes vector files."""


def senseweave(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return warm_python.run("-c", "from senseweave.cli import main; main()", *map(str, arguments), env=environment)


def test_sources_are_compared_on_request(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_text(f"note {number} of the lighthouse keeper")
    with sw.Index(tmp_path / "index") as index:
        assert index.add([tmp_path / f"{number}.txt" for number in range(3)]).added == 3
    (tmp_path / "0.txt").unlink()
    (tmp_path / "1.txt").write_text("something else")
    sound = senseweave("verify", tmp_path / "index")
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "3 records checked, no problems" in sound.stdout
    compared = senseweave("verify", tmp_path / "index", "--sources", "--json")
    assert compared.returncode == 1
    found = {problem["kind"]: problem["sources"] for problem in json.loads(compared.stdout)["problems"]}
    assert found == {"source missing": [str(tmp_path / "0.txt")], "source changed": [str(tmp_path / "1.txt")]}


def test_a_damaged_index_is_found_and_repaired(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with sw.Index(folder) as index:
        index.add([sw.Text(f"record {number}", source=f"s{number}") for number in range(RECORDS)])
    for vectors in [path for path in folder.iterdir() if path.is_dir()]:
        shutil.rmtree(vectors)
    damaged = senseweave("verify", folder)
    assert damaged.returncode == 1
    assert "files:" in damaged.stdout
    assert damaged.stderr == ""
    repaired = senseweave("repair", folder, "--json")
    assert repaired.returncode == 0, repaired.stderr
    assert json.loads(repaired.stdout)["lost"] == []
    assert senseweave("verify", folder).returncode == 0
    hits = json.loads(senseweave("search", folder, "record 7", "-k", 1, "--json").stdout)
    assert hits[0]["source"] == "s7"


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_a_folder_without_an_index_is_an_error_of_one_line(command: str, tmp_path: Path) -> None:
    done = senseweave(command, tmp_path)
    assert done.returncode == 2
    assert "there is no index here" in done.stderr
    assert len(done.stderr.splitlines()) == 1
