"""What OpenVINO leaves of the process that uses it."""

import subprocess
import sys

import numpy as np
import pytest

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
