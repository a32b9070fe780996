"""A small mixed index that the tests of several commands read."""

import shutil
from pathlib import Path

import command_line
import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A folder with `files/`, and the index of it in `index/`."""
    folder = tmp_path_factory.mktemp("home")
    deep = folder / "files" / "photographs of animals, taken at home" / "in the long summer of the year 2023"
    deep.mkdir(parents=True)
    shutil.copy(corpus / "images" / "photo-01.jpg", deep)
    shutil.copy(corpus / "images" / "photo-02.jpg", folder / "files")
    shutil.copy(corpus / "audio" / "recording-03.mp3", folder / "files")
    shutil.copy(corpus / "texts" / "library.txt", folder / "files")
    done = command_line.piped("index", folder / "files", "--into", folder / "index")
    assert done.returncode == 0, done.stderr
    return folder
