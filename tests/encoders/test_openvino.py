"""What OpenVINO leaves of the process that uses it."""

import os
import subprocess
import sys

import numpy as np
import pytest
from tiny_sentence import save_sentence_model

from senseweave.encoders.runtime.backends.openvino import OpenVino

openvino = pytest.importorskip("openvino")

SIGNALS = """
import faulthandler, signal, sys, threading
from senseweave.encoders.runtime.backends.openvino import OpenVino

faulthandler.enable()  # its stack for signals is the one that others replace
signal.signal(signal.SIGINT, lambda *_: print("handled", flush=True))

def use(count):
    opened = [OpenVino("model", sys.argv[1], collate=None) for _ in range(count)]
    for model in opened:
        model.load()
    for model in opened:  # in the order in which they were opened
        model.close()
    signal.raise_signal(signal.SIGINT)

use(3)
use(1)
thread = threading.Thread(target=use, args=(2,))
thread.start()
thread.join()
signal.raise_signal(signal.SIGINT)
"""


EMBEDDING = """
import sys
import numpy as np
import senseweave as sw

np.save(sys.argv[3], sw.load(sys.argv[1], backend=sys.argv[2], cache_size=0).embed_text(["a dog", "rain"]))
"""


@pytest.fixture
def graph(tmp_path):
    operators = openvino.opset13
    given = operators.parameter([1, 4], np.float32)
    path = tmp_path / "model.xml"
    openvino.save_model(openvino.Model([operators.relu(given)], [given]), path)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="signals have no stacks of their own on Windows")
def test_a_signal_finds_its_handler_after_models_were_closed_in_any_order(graph):
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS, str(graph)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "handled\n" * 4), done.stderr


def test_models_that_are_opened_again_compute_the_same(graph):
    model = OpenVino("model", graph, lambda items: [np.array(items, dtype=np.float32)])
    rows = [[-1.0, 0.0, 0.5, 2.0]]
    for _ in range(2):
        np.testing.assert_array_equal(model.vectors(rows), [[0.0, 0.0, 0.5, 2.0]])
        model.close()


def test_a_graph_is_made_where_the_other_engine_is_installed_but_broken(tmp_path):
    pytest.importorskip("onnxscript")
    broken = tmp_path / "packages" / "onnxruntime"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libonnxruntime.so.1: cannot open shared object file')")
    folder = save_sentence_model(tmp_path / "model")
    paths = os.pathsep.join([str(broken.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "SENSEWEAVE_CACHE": str(tmp_path / "cache")}
    vectors = []
    for backend in ("torch", "openvino"):
        file = tmp_path / f"{backend}.npy"
        done = subprocess.run(
            [sys.executable, "-c", EMBEDDING, folder, backend, str(file)],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        vectors.append(np.load(file))
    np.testing.assert_allclose(*vectors, atol=1e-5)
