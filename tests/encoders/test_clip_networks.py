"""C3D and I3D give the numbers of the packages that have them, and refuse what they are not."""

from __future__ import annotations

import numpy as np
import pytest
from films import moving_square, write
from tiny_clip_networks import c3d_tensors, inception_tensors, mmaction_names, numbered_names, resnet_tensors

import senseweave as sw
from senseweave.errors import ModelError, WeightsError
from senseweave.media import Clip

PYTORCHVIDEO = [0.03853, 0.10281, 0.00899, 0.19584, 0, 0.28113, 0.13643, 0.0685, 0, 0.00029, 0.0839, 0.08216]
"""The first of what goes into `proj` of pytorchvideo 0.1.5's `i3d_r50(stem_dim_out=4)`, averaged."""
PYTORCH_I3D = [0, 0.0009, 0.0009, 0.0365, 0.05501, 0.00002, 0.02741, 0.02929, 0, 0.1183, 0.07494, 0.00656]
"""The first of `extract_features` of pytorch-i3d as cd-fvd 0.1.1 has it, with the authors' epsilon of 0.001."""


def clip(count):
    return Clip(moving_square(count / 10, 1), np.arange(count) / 10)


def save(path, tensors):
    import torch

    torch.save(tensors, path)
    return f"{path.stem.partition('-')[0]}:{path}"


@pytest.mark.parametrize(
    ("make", "frames", "expected"),
    [
        (lambda: {"model_state": resnet_tensors((3, 4, 6, 3))}, None, PYTORCHVIDEO),
        (lambda: inception_tensors(1), 16, PYTORCH_I3D),
    ],
    ids=["pytorchvideo", "pytorch-i3d"],
)
def test_a_checkpoint_of_i3d_gives_the_vectors_of_its_package(make, frames, expected, tmp_path):
    space = sw.load(save(tmp_path / "i3d.pth", make()), device="cpu", frames=frames)
    encoder = space.encoder("video")
    prepared = encoder.prepare([clip(encoder.decode_options["frames"])], "document")
    (vector,) = encoder.forward(prepared).vectors
    np.testing.assert_allclose(vector[: len(expected)] / np.linalg.norm(vector), expected, atol=2e-5)


@pytest.mark.parametrize(
    ("make", "frames", "seconds", "shape"),
    [
        (c3d_tensors, 16, 0.64, (3, 16, 112, 112)),
        (lambda: mmaction_names(c3d_tensors()), 16, 0.64, (3, 16, 112, 112)),
        (inception_tensors, 64, 2.56, (3, 64, 224, 224)),
        (resnet_tensors, 8, 64 / 30, (3, 8, 256, 256)),
    ],
    ids=["c3d", "c3d-mmaction", "i3d-inception", "i3d-resnet"],
)
def test_clips_are_those_that_the_authors_trained_on(make, frames, seconds, shape, tmp_path):
    tensors = make()
    scheme = "i3d" if any(key.startswith(("blocks", "Mixed")) for key in tensors) else "c3d"
    encoder = sw.load(save(tmp_path / f"{scheme}.pth", tensors), device="cpu").encoder("video")
    assert encoder.decode_options == {"frames": frames}
    assert encoder.window_seconds == pytest.approx(seconds)
    assert encoder.prepare([clip(frames)], "document")[0].data.shape == shape


def test_all_layouts_of_c3d_are_one_network(tmp_path):
    film = write(tmp_path / "film.mp4", moving_square(0.6, 1))
    layouts = {
        "names": c3d_tensors(),
        "mmaction": mmaction_names(c3d_tensors()),
        "numbers": numbered_names(c3d_tensors()),
    }
    names = [save(tmp_path / f"c3d-{layout}.pth", {"state_dict": held}) for layout, held in layouts.items()]
    spaces = [sw.load(name, device="cpu", preparation="mmaction") for name in names]
    first, *others = (space.embed_video([film])[0] for space in spaces)
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)


def test_layer_and_preparation_change_vectors_and_fingerprint(tmp_path):
    film = write(tmp_path / "film.mp4", moving_square(0.6, 1))
    name = save(tmp_path / "c3d.pth", c3d_tensors())
    options = ({}, {"preparation": "mmaction"}, {"preparation": "ucf101"}, {"layer": "fc7"})
    spaces = [sw.load(name, device="cpu", **given) for given in options]
    assert len({space.fingerprint for space in spaces}) == len(spaces)
    assert [space.dimension for space in spaces] == [20, 20, 20, 12]
    vectors = np.stack([space.embed_video([film])[0] for space in spaces[:3]])
    assert (vectors @ vectors.T)[np.triu_indices(3, 1)].max() < 0.999
    without = {key: tensor for key, tensor in c3d_tensors().items() if not key.startswith(("fc7", "fc8"))}
    space = sw.load(save(tmp_path / "c3d-short.pth", without), device="cpu")
    np.testing.assert_allclose(space.embed_video([film])[0], vectors[0], atol=1e-6)


def test_files_of_other_models_are_named(tmp_path):
    import torch

    film = write(tmp_path / "film.mp4", moving_square(0.6, 1))
    flow = {**inception_tensors(), "Conv3d_1a_7x7.conv3d.weight": torch.zeros(4, 2, 7, 7, 7)}
    slow = {key.replace("blocks.3", "blocks.2"): tensor for key, tensor in resnet_tensors().items()}
    less = {key: tensor for key, tensor in resnet_tensors().items() if not key.startswith("blocks.4")}
    small = {**c3d_tensors(), "fc6.weight": torch.zeros(20, 72)}
    wrong = {
        "c3d:other": (
            WeightsError,
            r"no checkpoint of C3D, or incomplete: it lacks conv1\.weight",
            {"weight": torch.ones(3)},
        ),
        "c3d:small": (WeightsError, "fc6 reads 72 numbers, and conv5b gives 128", small),
        "c3d:more": (WeightsError, r"head\.weight \(unknown\)", {**c3d_tensors(), "head.weight": torch.ones(3)}),
        "i3d:other": (
            WeightsError,
            "no checkpoint of I3D, or incomplete: it lacks Conv3d_1a_7x7",
            {"weight": torch.ones(3)},
        ),
        "i3d:flow": (ModelError, "reads 2 channels, as I3D for optical flow does", flow),
        "i3d:slow": (ModelError, r"pools after its first stage \(blocks\.2\), this network does not", slow),
        "i3d:less": (WeightsError, r"it has the stages \[1, 3, 5\], expected \[1, 3, 4, 5\]", less),
    }
    for kind, (error, message, tensors) in wrong.items():
        scheme, _, label = kind.partition(":")
        with pytest.raises(error, match=message):
            sw.load(save(tmp_path / f"{scheme}-{label}.pth", tensors), device="cpu").embed_video([film])
    for scheme in ("c3d", "i3d"):
        with pytest.raises(ModelError, match=f"{scheme}:gone.pth: there is no file"):
            sw.load(f"{scheme}:gone.pth")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (c3d_tensors, {"layer": "fc8"}, "layer must be one of fc6, fc7, not 'fc8'"),
        (c3d_tensors, {"preparation": "imagenet"}, "preparation must be one of sports1m, mmaction, ucf101"),
        (inception_tensors, {"frames": 8}, "frames must be at least 9"),
        (resnet_tensors, {"frames": 7}, "frames must be at least 8"),
    ],
)
def test_impossible_options_are_named(make, options, message, tmp_path):
    scheme = "c3d" if make is c3d_tensors else "i3d"
    with pytest.raises((ValueError, ModelError), match=message):
        sw.load(save(tmp_path / f"{scheme}.pth", make()), device="cpu", **options).load()
