"""The command `serve`: who may connect, what is missing, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import command_line
import httpx
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_it_is_told_to_stop(home: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", command_line.START, "serve", str(home / "index"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = next(word.rstrip(";") for word in line.split() if word.startswith("http://127.0.0.1:"))
        answer = httpx.post(f"{url}/api/search", json={"query": "library", "k": 1}, timeout=120, trust_env=False)
        assert answer.json()["hits"][0]["source"].endswith("library.txt")
    finally:
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "0.0.0.0"), "SENSEWEAVE_TOKEN"),
        (("--token", "short"), "at least 16"),
    ],
)
def test_it_does_not_let_strangers_in(home: Path, arguments: tuple[str, ...], says: str) -> None:
    done = command_line.piped("serve", home / "index", *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("name", "says"), [("no/such-model", "no/such-model"), ("", "--rerank is empty")])
def test_a_reranker_that_is_not_there_is_said_before_anybody_is_let_in(home: Path, name: str, says: str) -> None:
    done = command_line.piped("serve", home / "index", "--port", "0", "--rerank", name)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_it_says_how_to_make_an_index_where_there_is_none(tmp_path: Path) -> None:
    done = command_line.piped("serve", tmp_path)
    assert done.returncode == 2
    assert "create an index with: senseweave index" in done.stderr


@pytest.mark.slow
def test_a_missing_library_is_told_with_the_install_line(home: Path) -> None:
    code = f"import sys; sys.modules['fastapi'] = None; {command_line.START}"
    command = [sys.executable, "-c", code, "serve", str(home / "index")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert 'pip install "senseweave[serve]"' in done.stderr


@pytest.mark.slow
def test_other_commands_import_no_web_framework() -> None:
    code = "import sys; from senseweave.cli import app; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"fastapi", "uvicorn", "starlette"} & set(done.stdout.split())
