"""Importing the package is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

import langchain_senseweave

HEAVY = ["torch", "transformers", "sentence_transformers", "open_clip", "chromadb", "av", "soundfile", "timm"]


@pytest.mark.parametrize(
    "statement",
    [
        "import langchain_senseweave",
        "from langchain_senseweave import SenseweaveEmbeddings, SenseweaveRetriever",
        "from langchain_senseweave import MediaLoader, content_blocks, create_media_retriever_tool",
    ],
)
def test_importing_loads_no_model_library_and_no_store(statement):
    code = f"import sys\n{statement}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_public_name_exists():
    for name in langchain_senseweave.__all__:
        assert getattr(langchain_senseweave, name) is not None
    assert set(langchain_senseweave.__all__) <= set(dir(langchain_senseweave))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = langchain_senseweave.Nothing
