"""The README's code blocks run as they are written, one after the other."""

import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

README = Path(__file__).parents[1] / "README.md"


def _blocks():
    return re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


@pytest.mark.usefixtures("own_chroma")
def test_the_code_blocks_run_in_order(samples, tmp_path, monkeypatch, capsys):
    (tmp_path / "notes").mkdir()
    shutil.copy(samples / "texts" / "kettle.md", tmp_path / "notes")
    shutil.copy(samples / "images" / "photo-15.jpg", tmp_path / "photo.jpg")
    shutil.copy(samples / "audio" / "recording-02.flac", tmp_path / "talk.flac")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in _blocks():
        exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].endswith("written, 0 failed")
    assert "[1] audio, talk.flac" in printed[1]
    assert printed[2] == "True"
    assert printed[3] == f"{tmp_path / 'photo.jpg'} 1.0"
    exec(_blocks()[0], names)
    assert capsys.readouterr().out == "0 written, 0 failed\n"


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target


def test_every_public_class_is_in_the_table():
    import haystack_integrations.components.builders.senseweave as builders
    import haystack_integrations.components.converters.senseweave as converters
    import haystack_integrations.components.embedders.senseweave as embedders
    import haystack_integrations.components.retrievers.senseweave as retrievers

    for module in (builders, converters, embedders, retrievers):
        for name in module.__all__:
            assert f"`{module.__name__.removeprefix('haystack_integrations.components.')}.{name}`" in README.read_text()
