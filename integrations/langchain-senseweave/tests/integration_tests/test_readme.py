"""The code blocks of the README run as they stand, in order, in a folder of a user's own files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import langchain_senseweave

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.usefixtures("own_chroma")
def test_the_examples_of_the_readme_run(tmp_path, monkeypatch, capsys, corpus):
    shutil.copytree(corpus / "texts", tmp_path / "notes")
    shutil.copy(corpus / "images" / "photo-01.jpg", tmp_path / "photo.jpg")
    shutil.copy(corpus / "audio" / "recording-02.flac", tmp_path / "talk.flac")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 6
    names: dict[str, object] = {}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    out = capsys.readouterr().out
    assert "talk.flac" in out
    assert "'audio'" in out


def test_the_readme_names_every_public_name():
    text = README.read_text(encoding="utf-8")
    assert [name for name in langchain_senseweave.__all__ if f"`{name}`" not in text and name != "__version__"] == []
