"""The notebooks run from their first cell to their last, offline."""

import json
import os
from pathlib import Path

import pytest
import warm_python

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    script = tmp_path / "notebook.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in cells), encoding="utf-8")
    done = warm_python.run(str(script), env=os.environ, timeout=580)
    assert done.returncode == 0, done.stderr
    assert "held" in done.stdout, "the report says what was held out"
    assert done.stdout.count("->") >= 2, "the last cell asks what was made"


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 2
