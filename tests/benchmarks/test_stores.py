"""The comparison of stores: every store searches the same records, and exact ones find all that there is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "stores.py"
pytest.importorskip("qdrant_client", reason="needs qdrant-client")


def measure(*options: str) -> str:
    """Return what the script prints; it sets the threads of its process, so it has one of its own."""
    command = [sys.executable, str(SCRIPT), "--records", "300", "--queries", "3", "--rounds", "2", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_store_is_measured_under_every_filter() -> None:
    results = json.loads(measure("--only", "chroma", "qdrant", "--json"))
    assert [found["store"] for found in results["stores"]] == ["Chroma folder", "Qdrant folder (local mode, exact)"]
    for found in results["stores"]:
        assert found["recall"] == {"all": 1.0, "half": 1.0, "1 %": 1.0}
        assert found["disk_mb"] > 0.3
        assert found["search_ms"].keys() == found["ratios"].keys() == found["recall"].keys()
    assert results["stores"][0]["ratios"]["all"] == [1.0, 1.0, 1.0]


def test_a_table_of_stores_is_printed() -> None:
    assert "| Qdrant folder (local mode, exact) |" in measure("--only", "qdrant")
