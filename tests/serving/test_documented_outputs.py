"""What docs/serving.md says that curl and other clients print is what they print."""

import importlib
import re
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.model]
TOOLS = Path(__file__).parents[2] / "tools"
VARYING = re.compile(r"[0-9a-f]{32,}|-?\d+(\.\d+)?")
"""Ids, hashes, scores and times, which differ from machine to machine."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_calls_of_the_page_print_what_stands_below_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("openai", "langchain_openai", "llama_index.embeddings.openai", "haystack"):
        pytest.importorskip(module)
    monkeypatch.syspath_prepend(str(TOOLS))
    tool = importlib.import_module("serving_outputs")
    page = tool.PAGE.read_text(encoding="utf-8")
    assert len(tool.PAIR.findall(page)) == 12
    assert VARYING.sub("N", tool.make_page(page)) == VARYING.sub("N", page)


def test_long_values_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    tool = importlib.import_module("serving_outputs")
    cut = tool.shortened({"vector": [0.123456] * 9, "text": "a" * 99, "list": ["a", "b", "c"]})
    assert cut == {
        "vector": [0.1235, 0.1235, 0.1235, "... 6 more"],
        "text": "a" * 72 + "...",
        "list": ["a", "b", "... 1 more"],
    }
