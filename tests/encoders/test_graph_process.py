"""Graphs are made in a process of their own: what crashes there leaves the user's process and the cache whole."""

from __future__ import annotations

import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_image_text import make_clip

import senseweave as sw
from senseweave.encoders.parts import graph_encoder
from senseweave.encoders.runtime.backends import graph_process
from senseweave.encoders.runtime.backends.graph_process import LIMIT_VARIABLE, VARIABLE, GraphProcessError, make_apart
from senseweave.encoders.runtime.checkpoint import downloads_allowed

pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow
TEXTS = ["a dog", "rain on the roof"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> str:
    return make_clip(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SENSEWEAVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE)
    return tmp_path / "cache"


def fails(folder: Path) -> dict[str, object]:
    raise sw.MediaError("talk.wav", "is no sound")


def notes_its_process(folder: Path) -> dict[str, object]:
    return {"pid": os.getpid()}


def prepare_failure():
    return fails


def prepare_note():
    return notes_its_process


def prepare_nothing():
    raise ValueError("cannot be prepared there")


def is_elsewhere(tmp_path: Path, prepare=prepare_note) -> bool:
    made = make_apart("tiny", prepare, tmp_path)
    return made is not None and made["pid"] != os.getpid()


@pytest.fixture
def crash(tmp_path, monkeypatch):
    """Let whatever imports the exporter from now on end as it says."""

    def crash(how: str) -> None:
        folder = tmp_path / "crashing" / "onnxscript"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f"import os, signal\n{how}\n")
        monkeypatch.syspath_prepend(folder.parent)

    return crash


@pytest.mark.parametrize(
    ("how", "named"),
    [("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"), ("os._exit(3)", "ended with code 3")],
)
def test_torch_computes_what_the_exporter_crashed_on_and_the_cache_stays_clean(clip, cache, crash, caplog, how, named):
    expected = sw.load(clip, device="cpu", backend="torch", cache_size=0).embed_text(TEXTS)
    crash(how)
    with sw.load(clip, backend="onnx", cache_size=0) as space, caplog.at_level(logging.WARNING):
        found = space.embed_text(TEXTS)
        assert space.encoders["text"].describe_backend()["backend"] == "torch"
    assert "torch computes it, because its graph cannot" in caplog.text
    assert named in caplog.text
    np.testing.assert_array_equal(found, expected)
    assert [path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def test_torch_computes_where_the_exporter_hangs(clip, cache, crash, caplog, monkeypatch):
    monkeypatch.setenv(LIMIT_VARIABLE, "2")
    expected = sw.load(clip, device="cpu", backend="torch", cache_size=0).embed_text(TEXTS)
    crash("signal.pause()")
    with sw.load(clip, backend="onnx", cache_size=0) as space, caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(space.embed_text(TEXTS), expected)
    assert "torch computes it, because its graph cannot" in caplog.text
    assert "the process that made its graph was not done after 2 seconds (SENSEWEAVE_GRAPH_SECONDS)" in caplog.text
    assert [path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


def hangs(folder: Path) -> dict[str, object]:
    threading.Event().wait()
    return {}


def prepare_hanging():
    return hangs


def test_a_process_that_hangs_ends_also_if_nobody_waits_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT_VARIABLE, "1")
    request = pickle.dumps(sys.path) + pickle.dumps((prepare_hanging, tmp_path))
    command = [sys.executable, "-P", "-c", graph_process.PROGRAM]
    done = subprocess.run(command, input=request, capture_output=True, timeout=300, check=False)
    assert done.returncode == 1
    assert "Timeout (0:00:01)!" in done.stderr.decode()


@pytest.mark.parametrize("named", ["0", "-1", "nan", "inf", "soon"])
def test_an_impossible_limit_is_an_error_before_anything_is_made(tmp_path, monkeypatch, named):
    monkeypatch.setenv(LIMIT_VARIABLE, named)
    with pytest.raises(sw.SenseweaveError, match=f"SENSEWEAVE_GRAPH_SECONDS must be a number .* not '{named}'"):
        make_apart("tiny", prepare_note, tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="ends a process by a signal")
def test_all_devices_compute_in_torch_if_the_graph_of_the_first_crashed(clip, tmp_path, crash):
    expected = sw.load(clip, device="cpu", backend="torch", cache_size=0).embed_text(TEXTS)
    mark = tmp_path / "crashed"
    crash(
        f"from pathlib import Path\nmark = Path({str(mark)!r})\n"
        "if not mark.exists():\n    mark.touch()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "raise ImportError('crashes no more')"
    )
    with sw.load(clip, backend="onnx", device=["cpu", "cpu"], cache_size=0) as space:
        space.load("text")
        assert mark.exists()
        assert [encoder.describe_backend()["backend"] for encoder in space.replicas("text")] == ["torch", "torch"]
        np.testing.assert_array_equal(space.embed_text(TEXTS), expected)


def test_a_precision_that_torch_does_not_have_is_an_error_after_a_crash(clip, crash):
    crash("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(GraphProcessError, match="the process that made its graph was ended by SIGKILL"):
        sw.load(clip, backend="onnx", precision="int8", cache_size=0).encoders["text"].load()


SCRIPT = """
import multiprocessing, sys
import senseweave as sw

print("started")

def embed(name, answers):
    vectors = sw.load(name, backend="onnx", cache_size=0).embed_text(["a dog", "rain on the roof"])
    answers.put((vectors, sorted({"torch", "transformers", "onnxscript"} & set(sys.modules))))

context = multiprocessing.get_context("fork")
answers = context.Queue()
if sys.argv[2] == "daemon":
    context.Process(target=embed, args=(sys.argv[1], answers), daemon=True).start()
else:
    embed(sys.argv[1], answers)
vectors, imported = answers.get(timeout=200)
print(imported, vectors.tolist())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the script starts a daemon by forking")
@pytest.mark.parametrize("where", ["script", "daemon"])
def test_a_script_without_a_guard_makes_a_graph_and_imports_nothing_of_it(clip, tmp_path, where):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, clip, where], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    started, shown = done.stdout.splitlines()
    assert started == "started"
    assert shown.startswith("[] ")
    expected = sw.load(clip, device="cpu", backend="torch", cache_size=0).embed_text(TEXTS)
    np.testing.assert_allclose(np.array(json.loads(shown[3:])), expected, atol=1e-5)


def test_a_thread_has_what_it_raised(tmp_path):
    raised: list[BaseException] = []

    def make() -> None:
        try:
            make_apart("tiny", prepare_failure, tmp_path)
        except sw.MediaError as error:
            raised.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert str(raised[0]) == str(sw.MediaError("talk.wav", "is no sound"))


@pytest.mark.parametrize("program", ["", "/usr/bin/uwsgi", "/usr/bin/python-that-is-not-there"])
def test_where_no_python_can_be_started_it_is_made_here(tmp_path, monkeypatch, program):
    assert is_elsewhere(tmp_path)
    monkeypatch.setattr(sys, "executable", program)
    assert make_apart("tiny", prepare_note, tmp_path) is None


def test_in_a_frozen_program_it_is_made_here(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert make_apart("tiny", prepare_note, tmp_path) is None


def test_what_cannot_be_prepared_elsewhere_is_made_here(tmp_path):
    assert make_apart("tiny", prepare_nothing, tmp_path) is None
    assert make_apart("tiny", lambda: notes_its_process, tmp_path) is None


def test_an_error_that_cannot_be_read_elsewhere_arrives_as_text():
    class OwnError(Exception):
        pass

    assert str(pickle.loads(graph_process._pickled(OwnError("is broken")))) == "OwnError: is broken"


def change_weights(folder: Path) -> None:
    """Write other weights of the same size."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    other = {name: array[::-1].copy() if array.ndim == 2 else array for name, array in weights.items()}
    save_file(other, folder / "model.safetensors", metadata={"format": "pt"})


def test_a_name_that_leads_elsewhere_by_now_gives_no_graph_of_another_model(clip, tmp_path):
    newer = shutil.copytree(clip, tmp_path / "newer")
    change_weights(newer)
    expected = sw.load(clip, device="cpu", backend="torch", cache_size=0).embed_text(TEXTS)
    space, moved = (sw.load(name, backend="onnx", cache_size=0) for name in (clip, str(newer)))
    space.encoders["text"].build_again = moved.encoders["text"].build_again
    np.testing.assert_allclose(space.embed_text(TEXTS), expected, atol=1e-5)
    assert np.abs(moved.embed_text(TEXTS) - expected).max() > 0.01


def test_files_that_change_while_a_graph_is_made_are_an_error_and_nothing_is_kept(clip, tmp_path, cache, monkeypatch):
    folder = shutil.copytree(clip, tmp_path / "changing")
    encoder = sw.load(str(folder), backend="onnx", cache_size=0).encoders["text"]
    encoder.build_again = None
    make = encoder.make

    def make_and_change(place: Path):
        made = make(place)
        change_weights(folder)
        return made

    monkeypatch.setattr(encoder, "make", make_and_change)
    with pytest.raises(sw.ModelError, match="changing: its files changed while its graph was made; load it again"):
        encoder.load()
    assert not list(cache.rglob("*.onnx"))


def test_nothing_is_downloaded_to_make_a_graph():
    allowed = []

    def build_again():
        allowed.append(downloads_allowed())
        raise sw.ModelError("is not here")

    with pytest.raises(sw.ModelError, match="is not here"):
        graph_encoder._prepare(build_again, Path("place"))
    assert allowed == [False]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_is_no_failure_of_the_exporter(clip, tmp_path):
    (tmp_path / "model.onnx").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        sw.load(clip, backend="onnx", cache_size=0).encoders["text"].make(tmp_path)
