"""The examples and the README run offline as they stand, on the starter's real weights."""

from __future__ import annotations

import re
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import AudioBlock

import senseweave as sw

PACKAGE = Path(__file__).parents[1]

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", autouse=True)
def _starter() -> Iterator[sw.Space]:
    """Keep the model loaded from one example to the next."""
    space = sw.load("starter")
    yield space
    space.close()


@pytest.fixture
def folder(tmp_path: Path, corpus: Path) -> Path:
    """A few files of the sample corpus."""
    made = tmp_path / "folder"
    made.mkdir()
    for name in ("texts/library.txt", "images/photo-01.jpg", "images/photo-02.jpg", "audio/recording-02.flac"):
        shutil.copy(corpus / name, made)
    return made


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(PACKAGE / "examples" / f"{name}.py"))


def test_an_incremental_pipeline_embeds_only_what_is_new(folder: Path, tmp_path: Path) -> None:
    counts = example("incremental_pipeline")["main"](folder, tmp_path)
    everything = counts[0][0]
    assert counts == [(everything, everything), (0, everything), (1, everything + 1), (0, everything)]
    assert everything >= 4


def test_a_stock_index_answers_with_the_recording_that_says_it(folder: Path, tmp_path: Path) -> None:
    found = example("stock_index")["main"](folder, "How soon does the museum close?", tmp_path / "store")
    node = found[0].node
    assert node.metadata["source"].endswith("recording-02.flac")
    assert "museum" in node.get_content()
    block = node.get_content_blocks()[-1]
    assert isinstance(block, AudioBlock)
    assert block.resolve_audio().read() == (folder / "recording-02.flac").read_bytes()


def test_a_tuned_model_knows_what_the_machines_are_called(tmp_path: Path) -> None:
    tune = example("finetune_engine")
    options = {"epochs": 6, "batch_size": 16, "learning_rate": 1e-4, "general": tune["ROWS"][:10]}
    assert tune["main"](tmp_path / "tuned", **options) == "The water tank leaks oil."


@pytest.mark.usefixtures("own_chroma", "settings")
def test_the_readme_runs(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, given in {"photo.jpg": "images/photo-01.jpg", "talk.flac": "audio/recording-02.flac"}.items():
        shutil.copy(corpus / given, tmp_path / name)
    (tmp_path / "notes").mkdir()
    shutil.copy(corpus / "texts/library.txt", tmp_path / "notes")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["found"][0].node.metadata["source"].endswith("talk.flac")
