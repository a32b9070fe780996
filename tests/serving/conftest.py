"""A real server on loopback, in a thread, over an index of toy encoders."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import senseweave as sw
from senseweave.testing import sample_files, toy_space

pytest.importorskip("fastapi", reason="the extra serve is not installed")
from loopback_server import Start, served


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small files of every modality."""
    return draw_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[sw.Index]:
    """An index of the files, which no test changes."""
    with sw.Index(tmp_path_factory.mktemp("home") / "index", spaces=[toy_space()]) as opened:
        opened.add(files)
        yield opened


@pytest.fixture(scope="module")
def client(index: sw.Index) -> Iterator[httpx.Client]:
    """A client of a read-only server."""
    with served(index, read_only=True) as client:
        yield client


@pytest.fixture
def own_files(tmp_path: Path) -> Path:
    """Small files of every modality, which a test may change."""
    folder = tmp_path / "files"
    folder.mkdir()
    return draw_files(folder)


@pytest.fixture
def own_index(tmp_path: Path, own_files: Path) -> Iterator[sw.Index]:
    """An index of `own_files`, which a test may change."""
    with sw.Index(tmp_path / "index", spaces=[toy_space()]) as opened:
        opened.add(own_files)
        yield opened


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers of an index with some settings; each gives a client."""
    with contextlib.ExitStack() as stack:
        yield lambda index, **settings: stack.enter_context(served(index, **settings))


def draw_files(folder: Path) -> Path:
    for modality in ("image", "audio", "video"):
        sample_files(folder, modality)
    (folder / "dogs.txt").write_text("Dogs bark in the yard.")
    (folder / "cats.txt").write_text("Cats sleep on the sofa.")
    return folder
