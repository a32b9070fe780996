"""README quotes what was measured, and nothing else."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
specification = importlib.util.spec_from_file_location("quoting", ROOT / "benchmarks" / "quoting.py")
quoting = importlib.util.module_from_spec(specification)
specification.loader.exec_module(quoting)
ROWS = [
    {"work": "texts", "unit": "texts/s", "threads": 1, "gate": "cosine .9", "ratios": {"a peer": [1.5, 1.4, 1.7]}},
    {"work": "texts", "unit": "texts/s", "threads": 2, "gate": "cosine .9", "ratios": {"a peer": [2.5, 2.4, 2.7]}},
    {"work": "first text", "unit": "MB", "threads": 2, "ratios": {"a peer": [3.0, 2.9, 3.1]}},
    {"work": "queries", "unit": "ms", "threads": 2, "ratios": {"a peer": [0.8, 0.7, 0.9]}},
    {"work": "photos: decoding", "unit": "ms", "threads": 2, "ratios": {"a peer": [0.6, 0.5, 0.7]}},
]
RESULTS = [{"processor": "A processor", "cores": 2, "quick": False, "rows": ROWS}]


def test_the_readme_holds_the_figures_of_the_results():
    text = (ROOT / "README.md").read_text()
    assert text == quoting.replace_quote(text, quoting.read_results(ROOT / "benchmarks" / "results"))


def test_every_whole_work_is_quoted_and_those_below_1_are_bold():
    text = quoting.replace_quote(f"before\n{quoting.BEGIN}\nstale\n{quoting.END}\nafter", RESULTS)
    assert "A processor, 2 cores:\n\n| work | compared with | threads: 1 | threads: 2 | equal |" in text
    assert "| texts | a peer | 1.50 [1.40 to 1.70] | 2.50 [2.40 to 2.70] | cosine .9 |" in text
    assert "| first text, memory | a peer |  | 3.00 [2.90 to 3.10] |  |" in text
    assert "| queries | a peer |  | **0.80 [0.70 to 0.90]** |  |" in text
    assert "stale" not in text and "decoding" not in text  # noqa: PT018
    assert text.startswith("before\n") and text.endswith("\nafter")  # noqa: PT018


def test_a_text_without_marks_is_refused():
    with pytest.raises(ValueError, match="expected the marks"):
        quoting.replace_quote("nothing", RESULTS)
