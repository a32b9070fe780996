"""The examples and the README run offline as they stand, on the starter's real weights."""

from __future__ import annotations

import asyncio
import re
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

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
    names = ("texts/library.txt", "texts/cats.md", "texts/bread.md", "images/photo-01.jpg", "images/photo-02.jpg")
    for name in (*names, "audio/recording-02.flac", "audio/recording-03.mp3"):
        shutil.copy(corpus / name, made)
    return made


def example(name: str) -> dict[str, Any]:
    return runpy.run_path(str(PACKAGE / "examples" / f"{name}.py"))


def sources(found: list[Any]) -> list[str]:
    return [Path(hit.node.metadata.get("file_path") or hit.node.metadata["source"]).name for hit in found]


def test_a_language_model_is_sent_the_media_that_answer(folder: Path, tmp_path: Path) -> None:
    answer = example("multimodal_rag")["main"](folder, "How soon does the museum close?", tmp_path / "store")
    assert sources(answer.source_nodes)[0] == "recording-02.flac"
    assert answer.source_nodes[0].node.metadata["start"] == 0.0
    assert "1 audio" in str(answer) or "2 audio" in str(answer)


def test_an_image_finds_itself_and_a_text_about_what_it_shows(folder: Path, tmp_path: Path) -> None:
    found = example("image_as_query")["main"](folder, folder / "photo-01.jpg", tmp_path / "index")
    assert "photo-01.jpg" in sources(found)
    assert "cats.md" in sources(found)


def test_fusion_keeps_text_and_media(folder: Path) -> None:
    found = example("fusion_with_text")["main"](folder, "a cat")
    assert {"cats.md", "photo-01.jpg"} <= set(sources(found))


@pytest.mark.usefixtures("own_chroma")
def test_the_readme_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(folder / "photo-01.jpg", folder / "query.jpg")
    monkeypatch.chdir(folder.parent)
    folder.rename(folder.parent / "media")
    blocks = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["by_text"][0].node.metadata["source"].endswith("recording-02.flac")
    assert {hit.node.metadata["modality"] for hit in names["by_image"]} >= {"image", "text"}


def test_an_agent_searches_looks_listens_and_cites_the_span(folder: Path) -> None:
    answer = asyncio.run(example("agent")["ask"](folder, "How soon does the museum close?"))
    assert "heard 1 recordings" in answer
    assert "] audio, recording-02.flac, 0:00 to 0:10.1: Ladies and gentlemen, the museum closes" in answer
