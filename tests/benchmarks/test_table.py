"""`python benchmarks` runs scripts, and writes one table of their rows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TRIVIAL = """
import measuring
options = measuring.arguments(__doc__).parse_args()
measuring.set_threads(options.threads)
row = measuring.compare("{work}", {{"senseweave": lambda: {ours}, "a peer": lambda: {peer}}}, options, unit="ms",
                        returns_figure=True, gate="equal to 1e-6")
print("a line that is no row")
measuring.report(row, options)
"""


@pytest.fixture
def scripts(tmp_path):
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "fast.py").write_text(TRIVIAL.format(work="fast work", ours=1, peer=2))
    (folder / "slow.py").write_text(TRIVIAL.format(work="slow work", ours=4, peer=3))
    return folder


def bench(scripts, results, *options):
    command = [sys.executable, str(BENCHMARKS), "--scripts", str(scripts), "--results", str(results), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_rows_are_printed_and_written(scripts, tmp_path):
    done = bench(scripts, tmp_path / "results", "--quick", "--threads", "1", "2")
    assert done.returncode == 0, done.stderr
    (written,) = (tmp_path / "results").glob("*.json")
    results = json.loads(written.read_text())
    assert [(row["work"], row["threads"]) for row in results["rows"]] == [
        ("fast work", 1), ("fast work", 2), ("slow work", 1), ("slow work", 2)
    ]  # fmt: skip
    assert results["rows"][0]["ratios"] == {"a peer": [2.0, 2.0, 2.0]}
    assert results["rows"][0]["rounds"] == 3
    markdown = written.with_suffix(".md").read_text()
    below = [line for line in markdown.splitlines() if "**below 1**" in line]
    assert ["slow work" in line for line in below] == [True, True]
    assert "| fast work | 1 | 1 ms | a peer | 2 | 2.00 [2.00 to 2.00] | equal to 1e-6" in markdown
    assert "below 1" in done.stdout


def test_a_script_that_fails_is_told_and_the_others_run(scripts, tmp_path):
    (scripts / "broken.py").write_text("raise SystemExit('the vectors differ')")
    done = bench(scripts, tmp_path / "results", "--quick", "--threads", "1")
    assert done.returncode == 1
    assert "**failed**: broken.py with 1 threads: the vectors differ" in done.stdout
    assert "slow work" in done.stdout


def test_only_some_are_not_written(scripts, tmp_path):
    done = bench(scripts, tmp_path / "results", "--quick", "--threads", "1", "--only", "fast")
    assert done.returncode == 0, done.stderr
    assert "fast work" in done.stdout
    assert "slow work" not in done.stdout
    assert not (tmp_path / "results").exists()


def test_byte_code_is_kept(scripts, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (scripts / "fast.py").write_text(
        "import sys\nassert not sys.dont_write_bytecode, 'no byte code'\n" + TRIVIAL.format(work="w", ours=1, peer=2)
    )
    done = bench(scripts, tmp_path / "results", "--quick", "--threads", "1", "--only", "fast")
    assert done.returncode == 0, done.stdout
