"""Every test runs offline: no model hub, no network beyond this machine, no telemetry."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["ANONYMIZED_TELEMETRY"] = "False"
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
os.environ["DO_NOT_TRACK"] = "1"
if "SENSEWEAVE_DATA" not in os.environ:  # what tests name is not remembered for the user who runs them
    os.environ["SENSEWEAVE_DATA"] = tempfile.mkdtemp(prefix="senseweave-data-")
    atexit.register(shutil.rmtree, os.environ["SENSEWEAVE_DATA"], ignore_errors=True)
if "SENSEWEAVE_CACHE" not in os.environ:  # nor do tests meet graphs that the user made, which `backend="auto"` takes
    os.environ["SENSEWEAVE_CACHE"] = tempfile.mkdtemp(prefix="senseweave-cache-")
    atexit.register(shutil.rmtree, os.environ["SENSEWEAVE_CACHE"], ignore_errors=True)
# Each test of graphs makes some, and torch and transformers take seconds to import; test_graph_process.py has the rest.
os.environ["SENSEWEAVE_GRAPH_PROCESS"] = "same"
# Tests are many small calls: threads that spin between them only take the processor from each other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # set before torch is imported; what a test starts inherits it
    os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "tests"))  # for helpers that several rooms' tests share

import pytest
from chroma_clients import close_clients, open_clients
from pytest_socket import socket_allow_hosts

if TYPE_CHECKING:
    from postgres_server import PostgresServer

ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that runs once a family of encoders."""
    for item in items:
        if "case" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.model)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Say with which exit code, or by which signal, a worker of pytest-xdist ended before its time."""
    process = getattr(getattr(node.gateway, "_io", None), "popen", None)
    if error and process is not None:
        with suppress(subprocess.TimeoutExpired):
            text = f"\n{node.gateway.id} ended with {process.wait(10)} (a negative number is a signal)\n"
            os.write(2, text.encode())


@pytest.fixture(autouse=True)
def _only_this_machine() -> None:
    """Refuse every connection but to the loopback interface."""
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _no_client_outlives_its_test() -> Iterator[None]:
    """Close the Chroma clients that a test opened and left open, its stores' too: each keeps some six threads."""
    before = open_clients()
    yield
    close_clients(kept=before)


@pytest.fixture
def own_chroma(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chroma clients of this test's own: Chroma shares those of equal (also relative) paths within a process."""
    from chromadb.api.shared_system_client import SharedSystemClient

    monkeypatch.setattr(SharedSystemClient, "_identifier_to_system", {})
    monkeypatch.setattr(SharedSystemClient, "_identifier_to_refcount", {})
    yield
    close_clients()


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The sample corpus: texts, photographs, recordings and videos."""
    return ROOT / "examples" / "data"


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    """A PostgreSQL server with pgvector; tests take a database of their own from it."""
    from postgres_server import PostgresServer

    server = PostgresServer()
    yield server
    server.stop()
