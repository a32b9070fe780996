"""onnxruntime sessions: weights used where they lie, threads, forks, errors."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from senseweave.encoders.runtime import onnx_session
from senseweave.encoders.runtime.onnx_graph import Graph
from senseweave.encoders.runtime.onnx_session import OnnxSession, compute_threads, count_cores, describe_session
from senseweave.encoders.runtime.tensor_files import MappedTensors
from senseweave.errors import ModelError, WeightsError

pytest.importorskip("onnxruntime")
SIZE = 4


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> MappedTensors:
    from safetensors.numpy import save_file

    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    random = np.random.default_rng(0)
    kernel = random.normal(size=(SIZE, SIZE)).astype(np.float32)
    save_file({"kernel": kernel, "norm": np.full(SIZE, 2.0, np.float32)}, path, metadata={"labels": "[]"})
    return MappedTensors(path)


def affine(weights: MappedTensors) -> Graph:
    """x @ (kernel.T * norm) + 1, of which the product in brackets is known before any input."""
    graph = Graph("affine")
    x = graph.add_input("x", "float32", ["rows", SIZE])
    kernel = graph.add("Transpose", graph.add_weight("kernel", weights["kernel"]), perm=[1, 0])
    scaled = graph.add("Mul", kernel, graph.add_weight("norm", weights["norm"]))
    product = graph.add("MatMul", x, scaled)
    graph.add_output("y", graph.add("Add", product, graph.add_constant(np.ones(1, np.float32))), "float32", ["r", SIZE])
    graph.add_output("negative", graph.add("Neg", product), "float32", ["r", SIZE])
    return graph


@pytest.fixture
def session(weights: MappedTensors) -> Iterator[OnnxSession]:
    graph = affine(weights)
    session = OnnxSession("affine", graph.to_bytes(), graph.weights)
    yield session
    session.close()


def expected(weights: MappedTensors, x: np.ndarray) -> np.ndarray:
    return x @ (weights["kernel"].T * weights["norm"]) + 1


def test_weights_outside_the_graph_are_used(weights, session):
    x = np.random.default_rng(1).normal(size=(3, SIZE)).astype(np.float32)
    found, negative = session.run({"x": x})
    np.testing.assert_allclose(found, expected(weights, x), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(negative, 1 - found, rtol=1e-6, atol=1e-6)


def test_outputs_are_chosen_by_name(session):
    x = np.ones((1, SIZE), np.float32)
    both = session.run({"x": x})
    assert len(session.run({"x": x}, ["negative"])) == 1
    np.testing.assert_array_equal(session.run({"x": x}, ["negative"])[0], both[1])


def test_a_graph_holds_no_weights(weights):
    graph = affine(weights)
    assert weights["kernel"].tobytes() not in graph.to_bytes()


def test_a_graph_with_foldable_weights_opens_from_a_file(weights, tmp_path):
    graph = affine(weights)
    path = tmp_path / "affine.onnx"
    path.write_bytes(graph.to_bytes())
    x = np.eye(SIZE, dtype=np.float32)
    found = OnnxSession("affine", path, graph.weights).run({"x": x}, ["y"])[0]
    np.testing.assert_allclose(found, expected(weights, x), rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_run_gives_back_the_memory_that_it_took_if_asked():
    program = (
        "import numpy as np\n"
        "from senseweave.encoders.runtime.onnx_graph import Graph\n"
        "from senseweave.encoders.runtime.onnx_session import OnnxSession\n"
        "graph = Graph('g')\n"
        "x = graph.add_input('x', 'float32', ['n'])\n"
        "twice = graph.add('Exp', graph.add('Neg', graph.add('Exp', x)))\n"
        "graph.add_output('y', graph.add('ReduceMax', twice, keepdims=1), 'float32', [1])\n"
        "session = OnnxSession('g', graph.to_bytes())\n"
        "def held():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return int(next(line.split()[1] for line in lines if line.startswith('VmRSS'))) // 1024\n"
        "session.run({'x': np.ones(1000, np.float32)})\n"
        "before = held()\n"
        "large = np.ones(32_000_000, np.float32)\n"
        "session.run({'x': large}, shrink={shrink})\n"
        "del large\n"
        "print(held() - before)\n"
    )

    def grown(shrink: bool) -> int:
        code = program.replace("{shrink}", str(shrink))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert grown(True) < 60
    assert grown(False) > 100


def test_a_closed_session_opens_again(weights, session):
    x = np.ones((1, SIZE), np.float32)
    before = session.run({"x": x})[0]
    session.close()
    np.testing.assert_array_equal(session.run({"x": x})[0], before)


def test_threads_share_a_session(weights, session):
    x = np.random.default_rng(2).normal(size=(64, SIZE)).astype(np.float32)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(session.run({"x": x})[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for vectors in found:
        np.testing.assert_array_equal(vectors, found[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_computes_with_threads_of_its_own(weights):
    graph = affine(weights)
    session = OnnxSession("affine", graph.to_bytes(), graph.weights, threads=2)
    x = np.random.default_rng(3).normal(size=(4096, SIZE)).astype(np.float32)
    mine = session.run({"x": x})[0]
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(session.run({"x": x})[0]))
    child.start()
    theirs = answers.get()
    child.join(60)
    assert child.exitcode == 0
    np.testing.assert_array_equal(theirs, mine)


def test_an_input_of_another_shape_is_an_error_of_the_run(session):
    with pytest.raises(RuntimeError, match=r"affine: onnxruntime: .*dimension"):
        session.run({"x": np.ones((1, SIZE + 1), np.float32)})


def test_a_graph_that_is_no_graph_is_named():
    with pytest.raises(ModelError, match="odd: onnxruntime cannot open its graph"):
        OnnxSession("odd", b"no graph").load()


@pytest.mark.parametrize(
    ("set_to", "threads"), [("1", 1), ("3", 3), ("5,2", 5), ("0", None), ("many", None), ("", None)]
)
def test_threads_follow_the_environment_where_torch_is_not_loaded(monkeypatch, set_to, threads):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setenv("OMP_NUM_THREADS", set_to)
    assert compute_threads() == (threads or count_cores())


def test_threads_follow_torch_where_it_is_loaded():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert compute_threads() == 3
        assert describe_session() == {"backend": "onnx", "device": "cpu", "threads": 3}
    finally:
        torch.set_num_threads(before)


def test_a_session_follows_torch_where_its_threads_change(weights, monkeypatch):
    torch = pytest.importorskip("torch")
    opened = []
    usual = onnx_session.session_options
    monkeypatch.setattr(onnx_session, "session_options", lambda o, n: opened.append(n) or usual(o, n))
    graph = affine(weights)
    session = OnnxSession("affine", graph.to_bytes(), graph.weights)
    before = torch.get_num_threads()
    try:
        for threads in (2, 2, 1, 1):
            torch.set_num_threads(threads)
            session.run({"x": np.ones((1, SIZE), np.float32)})
    finally:
        torch.set_num_threads(before)
    assert opened == [2, 1]


def test_nothing_is_printed_where_onnxruntime_is_first_used(tmp_path, weights):
    program = (
        "import numpy as np\n"
        "from senseweave.encoders.runtime.onnx_graph import Graph\n"
        "from senseweave.encoders.runtime.onnx_session import OnnxSession\n"
        "graph = Graph('g')\n"
        "x = graph.add_input('x', 'float32', ['n'])\n"
        "graph.add_output('y', x, 'float32', ['m', 2])\n"
        "assert OnnxSession('g', graph.to_bytes()).run({'x': np.ones(3, np.float32)})[0].sum() == 3\n"
        "import sys\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == done.stderr == ""


def test_mapped_tensors_equal_those_of_safetensors(weights):
    from safetensors.numpy import load_file

    reference = load_file(weights.path)
    assert set(weights) == set(reference)
    assert weights.metadata == {"labels": "[]"}
    for name, tensor in reference.items():
        np.testing.assert_array_equal(weights[name], tensor)
        assert not weights[name].flags.writeable
    weights.release_pages()
    np.testing.assert_array_equal(weights["kernel"], reference["kernel"])


def test_bfloat16_becomes_float32(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    tensor = torch.tensor([[1.5, -2.25], [3e38, 1e-30]], dtype=torch.bfloat16)
    save_file({"t": tensor}, tmp_path / "t.safetensors")
    found = MappedTensors(tmp_path / "t.safetensors")["t"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, tensor.float().numpy())


def stored(dtype: str, end: int) -> bytes:
    header = f'{{"t":{{"dtype":"{dtype}","shape":[4],"data_offsets":[0,{end}]}}}}'.encode()
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty"),
        (b"\xff" * 32, "does not say how long"),
        (b"\x04" + b"\0" * 7 + b"nope", "not JSON"),
        (stored("F32", 8) + bytes(8), "t has another length than its shape"),
        (stored("F32", 16) + bytes(4), "t cannot be read"),
        (stored("F9", 16) + bytes(16), "t cannot be read"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, problem: str):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"damaged\.safetensors cannot be read as safetensors: .*{problem}"):
        MappedTensors(path)["t"]


@pytest.mark.parametrize(
    ("version", "spins"), [("1.31.1", True), ("2.0.0rc1", True), ("1.30.9", False), ("1.9", False)]
)
def test_threads_look_for_more_work_only_where_that_has_a_bound(monkeypatch, version, spins):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "__version__", version)
    options = onnx_session.session_options(onnxruntime, 2)
    name, value = (
        ("session.intra_op.spin_duration_us", str(onnx_session.SPIN_MICROSECONDS))
        if spins
        else ("session.intra_op.allow_spinning", "0")
    )
    assert options.get_session_config_entry(name) == value
