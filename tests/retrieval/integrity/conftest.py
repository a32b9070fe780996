"""An index of many notes in a folder, and copies of it to damage."""

import shutil
from pathlib import Path

import pytest
from damage import NOTES

import senseweave as sw
from senseweave.retrieval import Index


@pytest.fixture(scope="session")
def whole(tiny, tmp_path_factory):
    """An index whose vectors are in files and, the last of them, in the queue."""
    folder = tmp_path_factory.mktemp("whole") / "index"
    with Index(folder, spaces=[tiny.make_space()]) as index:
        index.add([sw.Text(f"record number{i} subject{i % 31}", source=f"s{i}") for i in range(NOTES)])
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "index"))
