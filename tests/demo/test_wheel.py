"""What an installed wheel has of the sample corpus: the corpus and its licences, and not what drew it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_whole_sample_corpus_and_not_the_script_that_made_it(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {name.removeprefix("senseweave/demo/data/") for name in names if name.startswith("senseweave/demo/data/")}
    corpus = ROOT / "examples" / "data"
    files = {path.relative_to(corpus).as_posix() for path in corpus.rglob("*") if path.is_file()}
    assert shipped == {name for name in files if not name.endswith((".py", ".pyc"))}
    assert "LICENSES.md" in shipped
