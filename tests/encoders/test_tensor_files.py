"""Pickled tensors read without torch: equal to torch's, and nothing of a pickle is run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from senseweave.encoders.runtime.tensor_files import read_pickled_tensors
from senseweave.errors import WeightsError


@pytest.fixture
def state():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    whole = torch.randn(6, 4)
    return {
        "weight": torch.randn(3, 2, 5),
        "turned": whole.t(),
        "part": whole[1:4, 2],
        "half": torch.randn(7).half(),
        "steps": torch.tensor(12),
        "channels_last": torch.randn(1, 3, 4, 4).to(memory_format=torch.channels_last),
    }


def test_tensors_are_those_of_torch(state, tmp_path):
    import torch

    path = tmp_path / "state.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    found = read_pickled_tensors(path)
    assert list(found) == list(state)
    for name, tensor in state.items():
        assert found[name].dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(found[name], tensor.numpy())


def test_the_starters_checkpoint_is_read_as_torch_reads_it():
    torch = pytest.importorskip("torch")
    from senseweave.encoders.parts.starter_weights import EFFICIENTNET_LITE0

    (file,) = EFFICIENTNET_LITE0.files
    path = EFFICIENTNET_LITE0.find().path(file)
    found, expected = read_pickled_tensors(path), torch.load(path, map_location="cpu", weights_only=True)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[name], tensor.numpy()) for name, tensor in expected.items())


class Command:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_of_a_pickle_is_run(tmp_path, protocol):
    import torch

    made = tmp_path / "made"
    path = tmp_path / "evil.pth"
    content = pickle.dumps(torch.serialization.MAGIC_NUMBER, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    path.write_bytes(content + pickle.dumps({"weight": Command(made)}, protocol))
    with pytest.raises(WeightsError, match=r"evil\.pth cannot be read as pickled tensors: it names .*mkdir"):
        read_pickled_tensors(path)
    path.write_bytes(pickle.dumps(Command(made), protocol))
    with pytest.raises(WeightsError, match="it names"):
        read_pickled_tensors(path)
    assert not made.exists()


@pytest.mark.parametrize("kept", [0, 10, 200, -4])
def test_a_cut_file_is_named(state, tmp_path, kept):
    import torch

    path = tmp_path / "cut.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsError, match=r"cut\.pth cannot be read as pickled tensors"):
        read_pickled_tensors(path)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "far.pth"
    torch.save({"t": torch.arange(11.0)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    shape = pickle.dumps((11,), 2)[2:4]
    assert shape == b"K\x0b"
    path.write_bytes(content.replace(b"K\x0bN", b"K\x0bN", 1).replace(b"K\x00K\x0b", b"K\x00K\x7f"))
    with pytest.raises(WeightsError, match="reaches beyond a storage of 11 numbers"):
        read_pickled_tensors(path)
