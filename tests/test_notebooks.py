"""The notebooks run from their first cell to their last, offline."""

import json
import os
from pathlib import Path

import pytest
import warm_python

pytestmark = pytest.mark.slow

SAID = {
    "align_two_models": "held",
    "finetune_a_model": "held",
    "first_search": "said at 4.",
    "duplicates_and_clusters": "['photo-05.jpg', 'small.png', 'cropped.jpg']",
    "rag_langchain": "half past two",
    "rag_llama_index": "half past two",
    "rag_haystack": "half past two",
}
"""What each prints: of training what was held out, of the others what is right for the sample corpus."""

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    script = tmp_path / "notebook.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells), encoding="utf-8")
    done = warm_python.run(str(script), env=os.environ, timeout=580)
    assert done.returncode == 0, done.stderr
    assert SAID[path.stem] in done.stdout
    assert done.stdout.count("->") >= 2, "the last cell asks what was made"


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(SAID)
