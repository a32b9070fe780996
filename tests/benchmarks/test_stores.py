"""The comparison of stores: every store searches the same records, and exact ones find all that there is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
pytest.importorskip("qdrant_client", reason="needs qdrant-client")

import stores


def test_every_store_is_measured_under_every_filter(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--records", "300", "--queries", "3", "--rounds", "2", "--only", "chroma", "qdrant", "--json"]
    monkeypatch.setattr(sys, "argv", ["stores.py", *options])
    stores.main()
    results = json.loads(capsys.readouterr().out)
    assert [found["store"] for found in results["stores"]] == ["Chroma folder", "Qdrant folder (local mode, exact)"]
    for found in results["stores"]:
        assert found["recall"] == {"all": 1.0, "half": 1.0, "1 %": 1.0}
        assert found["disk_mb"] > 0.3
        assert found["search_ms"].keys() == found["ratios"].keys() == found["recall"].keys()
    assert results["stores"][0]["ratios"]["all"] == [1.0, 1.0, 1.0]
    assert "| Chroma folder |" in stores.table(results)
