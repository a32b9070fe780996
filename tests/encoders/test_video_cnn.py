"""Every kind of torchvision's video networks gives what goes into its classifier."""

from __future__ import annotations

import re

import numpy as np
import pytest
from films import moving_square, write

import senseweave as sw
from senseweave.encoders.families.torchvision import RECIPES
from senseweave.errors import ModelError

NETWORKS = {"r3d_18": 4, "mc3_18": 4, "r2plus1d_18": 4, "mvit_v1_b": 16, "mvit_v2_s": 16, "swin3d_t": 4}
"""Frames per clip: few, but for MViT, whose positions are those of 16. S3D is under the whole contract."""


@pytest.fixture(params=NETWORKS)
def network(request, tmp_path):
    """Name, weight file and network, with random weights."""
    import torch
    from safetensors.torch import save_file
    from torchvision.models import get_model

    torch.manual_seed(7)
    model = get_model(request.param, weights=None).eval()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    return request.param, tmp_path / "weights.safetensors", model


def test_a_clip_has_the_vector_that_goes_into_the_classifier(network, tmp_path):
    import torch
    from torchvision.models import get_model_weights

    name, weights, model = network
    film = write(tmp_path / "film.mp4", moving_square(1.0, 1))
    space = sw.load(f"torchvision:{name}//{weights}", frames=NETWORKS[name], window_seconds=2.0, device="cpu")
    seen = []
    getattr(model, RECIPES[name].head).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    clip = sw.Video(film).decode(frames=NETWORKS[name])
    transform = get_model_weights(name).DEFAULT.transforms()
    with torch.inference_mode():
        model(transform(torch.from_numpy(clip.frames.copy()).permute(0, 3, 1, 2)).unsqueeze(0))
    expected = seen[0][0].numpy() / np.linalg.norm(seen[0][0].numpy())
    np.testing.assert_allclose(space.embed_video([film])[0], expected, atol=1e-5)
    assert space.dimension == len(expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_types_of_a_network_of_attention_stay_within_their_bound(dtype, tmp_path):
    import torch
    from safetensors.torch import save_file
    from torchvision.models import get_model

    torch.manual_seed(7)
    save_file(get_model("swin3d_t", weights=None).state_dict(), tmp_path / "weights.safetensors")
    film = write(tmp_path / "film.mp4", moving_square(1.0, 1))
    name, how = f"torchvision:swin3d_t//{tmp_path / 'weights.safetensors'}", {"frames": 4, "window_seconds": 2.0}
    full, half = (sw.load(name, device="cpu", dtype=kind, **how).embed_video([film])[0] for kind in (None, dtype))
    assert float(full @ half) >= 0.999


def test_frames_and_rates_are_those_that_torchvision_documents():
    from torchvision.models import get_model_weights

    for name, recipe in RECIPES.items():
        documented = get_model_weights(name).DEFAULT.meta["_docs"]
        (rate,), (frames,) = re.findall(r"frame_rate=([\d.]+)`", documented), re.findall(r"clip_len=(\d+)", documented)
        assert (recipe.frame_rate, recipe.frames) == (float(rate), int(frames)), name


def test_wrong_names_are_explained(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"")
    with pytest.raises(ModelError, match="there is no file"):
        sw.load("torchvision:r3d_18//nowhere.pth")
    with pytest.raises(ModelError, match="no weight file is named"):
        sw.load("torchvision:r3d_18")
    with pytest.raises(ModelError, match="r3d_18, mc3_18"):
        sw.load(f"torchvision:r4d//{tmp_path / 'weights.pth'}")
