"""Video by I3D: the inflated Inception of the authors and the inflated ResNet of pytorchvideo, with a weight file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from senseweave.encoders.base import Encoder
from senseweave.encoders.family import Family
from senseweave.encoders.parts.clip_network import (
    BATCH_CLIPS,
    EXTRA,
    ClipNetwork,
    Pixels,
    Recipe,
    max_pool,
)
from senseweave.encoders.runtime.weight_files import find_weights
from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.media import Modality

INCEPTION: Final[tuple[str | tuple[tuple[int, int, int], tuple[int, int, int]], ...]] = (
    "Conv3d_1a_7x7", ((1, 3, 3), (1, 2, 2)),
    "Conv3d_2b_1x1", "Conv3d_2c_3x3", ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b", "Mixed_3c", ((3, 3, 3), (2, 2, 2)),
    "Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f", ((2, 2, 2), (2, 2, 2)),
    "Mixed_5b", "Mixed_5c",
)  # fmt: skip
"""Layers by name, and poolings by kernel and stride (Carreira and Zisserman 2017, arXiv 1705.07750, figure 3)."""
BRANCHES: Final = (("b0",), ("b1a", "b1b"), ("b2a", "b2b"), ("b3b",))
INCEPTION_EPSILON = 1e-3
"""Of the batch norms (piergiaj/pytorch-i3d, pytorch_i3d.py, Unit3D)."""
INCEPTION_FRAMES, INCEPTION_RATE = 64, 25.0
"""Frames of a clip and their rate, with which the authors trained (section 3)."""
INCEPTION_POOL: Final = (2, 7, 7)
RESNET_FRAMES, RESNET_RATE = 8, 30 / 8
"""Frames of a clip and their rate: every eighth of 30 per second (pytorchvideo, I3D_8x8_R50)."""
RESNET_POOL: Final = (4, 7, 7)
LEAST_FRAMES: Final = {"inception": 9, "resnet": 8}
"""Frames without which the last pooling has too few."""
PIXELS: Final = {
    "inception": Pixels(256, 224, (127.5, 127.5, 127.5), 127.5),
    "resnet": Pixels(256, 256, (0.45 * 255, 0.45 * 255, 0.45 * 255), 0.225 * 255),
}
"""Values from -1 to 1 (section 3); less 0.45, by 0.225, as for all of pytorchvideo's networks of Kinetics."""


def recognize(tensors: Mapping[str, Any], name: str) -> Recipe:
    """Return how a checkpoint of I3D is read.

    Args:
        tensors: Those of the authors' Inception or of pytorchvideo's ResNet.
        name: What errors call the checkpoint.

    Raises:
        ModelError: If the network reads optical flow, or has no pooling after its first stage (SLOW).
        WeightsError: If they are no weights of I3D.
    """
    if "blocks.0.conv.weight" in tensors:
        return _recognize_resnet(tensors, name)
    units = [unit for layer in INCEPTION if isinstance(layer, str) for unit in _units(layer)]
    missing = [f"{unit}.conv3d.weight" for unit in units if f"{unit}.conv3d.weight" not in tensors]
    if missing:
        listed = ", ".join(missing[:8])
        msg = (
            f"{name} is no checkpoint of I3D, or incomplete: it lacks {listed}, or blocks.0.conv.weight (pytorchvideo)"
        )
        raise WeightsError(msg)
    _check_channels(tensors["Conv3d_1a_7x7.conv3d.weight"], name)
    return Recipe(
        layout="inception",
        tensors=tensors,
        unused=("logits.",),
        network=lambda: _build_inception(tensors, units),
        run=_run_inception,
        dimension=sum(int(tensors[f"Mixed_5c.{branch[-1]}.conv3d.weight"].shape[0]) for branch in BRANCHES),
        frames=INCEPTION_FRAMES,
        frame_rate=INCEPTION_RATE,
        pixels=PIXELS["inception"],
    )


def _units(layer: str) -> list[str]:
    """Return the names of the convolutions of a layer."""
    return [f"{layer}.{unit}" for branch in BRANCHES for unit in branch] if layer.startswith("Mixed") else [layer]


def _check_channels(weight: Any, name: str) -> None:
    if weight.shape[1] != 3:
        msg = f"{name} reads {weight.shape[1]} channels, as I3D for optical flow does; expected weights for RGB"
        raise ModelError(msg)


def _build_inception(tensors: Mapping[str, Any], units: list[str]) -> Any:
    nn = require("torch", extra=EXTRA).nn
    network = nn.ModuleDict()
    for unit in units:
        width, channels, *kernel = tensors[f"{unit}.conv3d.weight"].shape
        stride = 2 if unit == "Conv3d_1a_7x7" else 1
        convolution = nn.Conv3d(channels, width, tuple(kernel), stride=stride, bias=False)
        layer, _, part = unit.partition(".")
        if part and layer not in network:
            network[layer] = nn.ModuleDict()
        held = nn.ModuleDict({"conv3d": convolution, "bn": nn.BatchNorm3d(width, eps=INCEPTION_EPSILON)})
        if part:
            network[layer][part] = held
        else:
            network[layer] = held
    return network


def _run_inception(network: Any, clips: Any) -> Any:
    """Return the mean over time of what the last pooling gives, shape (n, 1024)."""
    torch = require("torch", extra=EXTRA)
    states = clips
    for layer in INCEPTION:
        if not isinstance(layer, str):
            states = max_pool(_pad(states, *layer), *layer)
        elif not layer.startswith("Mixed"):
            states = _convolve(network[layer], states)
        else:
            outputs = []
            for branch in BRANCHES:
                part = max_pool(_pad(states, (3, 3, 3), (1, 1, 1)), (3, 3, 3), (1, 1, 1)) if "b3b" in branch else states
                for unit in branch:
                    part = _convolve(network[layer][unit], part)
                outputs.append(part)
            states = torch.cat(outputs, dim=1)
    return torch.nn.functional.avg_pool3d(states.float(), INCEPTION_POOL, 1).mean(dim=(2, 3, 4))


def _convolve(unit: Any, states: Any) -> Any:
    """Convolve, normalize and rectify."""
    convolution = unit["conv3d"]
    return unit["bn"](convolution(_pad(states, convolution.kernel_size, convolution.stride))).relu()


def _pad(states: Any, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Any:
    """Pad with zeros so that each axis gives one value for each stride begun, the odd one at the end (SAME)."""
    padding: list[int] = []
    for length, size, step in zip(states.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):
        total = max((-(-length // step) - 1) * step + size - length, 0)
        padding += [total // 2, total - total // 2]
    return require("torch", extra=EXTRA).nn.functional.pad(states, padding)


def _recognize_resnet(tensors: Mapping[str, Any], name: str) -> Recipe:
    if any(key.startswith("blocks.2.") for key in tensors):
        msg = f"{name} is no I3D: pytorchvideo's i3d_r50 pools after its first stage (blocks.2), this network does not"
        raise ModelError(msg)
    stages = _find_stages(tensors)
    if stages != [1, 3, 4, 5] or any(re.match(r"blocks\.[7-9]\.", key) for key in tensors):
        msg = f"{name} is no I3D of pytorchvideo, or incomplete: it has the stages {stages}, expected [1, 3, 4, 5]"
        raise WeightsError(msg)
    _check_channels(tensors["blocks.0.conv.weight"], name)
    depths = {stage: _find_depth(tensors, stage) for stage in stages}
    last = f"blocks.5.res_blocks.{depths[5] - 1}.branch2.conv_c.weight"
    _require(tensors, last, name)
    return Recipe(
        layout="resnet",
        tensors=tensors,
        unused=("blocks.6.",),
        network=lambda: _build_resnet(tensors, depths, name),
        run=_run_resnet,
        dimension=int(tensors[last].shape[0]),
        frames=RESNET_FRAMES,
        frame_rate=RESNET_RATE,
        pixels=PIXELS["resnet"],
    )


def _find_stages(tensors: Mapping[str, Any]) -> list[int]:
    found = (re.match(r"blocks\.(\d+)\.res_blocks\.", key) for key in tensors)
    return sorted({int(match[1]) for match in found if match})


def _find_depth(tensors: Mapping[str, Any], stage: int) -> int:
    found = (re.match(rf"blocks\.{stage}\.res_blocks\.(\d+)\.", key) for key in tensors)
    return 1 + max(int(match[1]) for match in found if match)


def _require(tensors: Mapping[str, Any], key: str, name: str) -> Any:
    if key not in tensors:
        msg = f"{name} is no I3D of pytorchvideo, or incomplete: it lacks {key}"
        raise WeightsError(msg)
    return tensors[key]


def _build_resnet(tensors: Mapping[str, Any], depths: Mapping[int, int], name: str) -> Any:
    nn = require("torch", extra=EXTRA).nn

    def convolution(key: str, stride: tuple[int, int, int] = (1, 1, 1)) -> tuple[Any, Any]:
        width, channels, *kernel = _require(tensors, f"{key}.weight", name).shape
        padding = tuple(size // 2 for size in kernel)
        layer = nn.Conv3d(channels, width, tuple(kernel), stride=stride, padding=padding, bias=False)
        return layer, nn.BatchNorm3d(width)

    def block(stage: int, number: int) -> Any:
        at = f"blocks.{stage}.res_blocks.{number}"
        stride = (1, 2, 2) if stage > 1 and number == 0 else (1, 1, 1)
        branch = nn.ModuleDict()
        for part in "abc":
            layer, norm = convolution(f"{at}.branch2.conv_{part}", stride if part == "b" else (1, 1, 1))
            branch[f"conv_{part}"], branch[f"norm_{part}"] = layer, norm
        held = nn.ModuleDict({"branch2": branch})
        if number == 0:
            held["branch1_conv"], held["branch1_norm"] = convolution(f"{at}.branch1_conv", stride)
        return held

    stem, norm = convolution("blocks.0.conv", (1, 2, 2))
    blocks = {"0": nn.ModuleDict({"conv": stem, "norm": norm})}
    for stage, depth in depths.items():
        blocks[str(stage)] = nn.ModuleDict({"res_blocks": nn.ModuleList(block(stage, at) for at in range(depth))})
    return nn.ModuleDict({"blocks": nn.ModuleDict(blocks)})


def _run_resnet(network: Any, clips: Any) -> Any:
    """Return the mean of what the last pooling gives, which goes into the classifier, shape (n, 2048)."""
    functional = require("torch", extra=EXTRA).nn.functional
    blocks = network["blocks"]
    states = blocks["0"]["norm"](blocks["0"]["conv"](clips)).relu()
    states = max_pool(states, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for stage in ("1", "3", "4", "5"):
        for block in blocks[stage]["res_blocks"]:
            branch = block["branch2"]
            mixed = branch["norm_a"](branch["conv_a"](states)).relu()
            mixed = branch["norm_b"](branch["conv_b"](mixed)).relu()
            mixed = branch["norm_c"](branch["conv_c"](mixed))
            if "branch1_conv" in block:
                states = block["branch1_norm"](block["branch1_conv"](states))
            states = (states + mixed).relu()
        if stage == "1":
            states = max_pool(states, (2, 1, 1), (2, 1, 1))
    return functional.avg_pool3d(states.float(), RESNET_POOL, 1).mean(dim=(2, 3, 4))


def build(
    name: str,
    *,
    frames: int | None = None,
    window_seconds: float | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch_clips: int = BATCH_CLIPS,
) -> dict[Modality, Encoder]:
    """Build the video encoder of an I3D checkpoint.

    Args:
        name: Path of a weight file: the authors' Inception as in pytorch-i3d (`rgb_imagenet.pt`), or pytorchvideo's
            `i3d_r50` (`I3D_8x8_R50.pyth`).
        frames: Frames per clip; 64 for the Inception and 8 for the ResNet if None.
        window_seconds: Time that a clip covers; 2.56 s for the Inception and 2.13 s for the ResNet if None. Longer
            video is cut into such windows and averaged.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        batch_clips: Clips per batch.

    Raises:
        ModelError: If there is no such file.
    """

    def recognize_with_frames(tensors: dict[str, Any], file: str) -> Recipe:
        recipe = recognize(tensors, file)
        if frames is not None and frames < LEAST_FRAMES[recipe.layout]:
            msg = f"frames must be at least {LEAST_FRAMES[recipe.layout]} for {file}, not {frames}"
            raise ModelError(msg)
        return recipe

    network = ClipNetwork(
        find_weights("i3d", name, "rgb_imagenet.pt"),
        recognize_with_frames,
        family="i3d",
        frames=frames,
        window_seconds=window_seconds,
        device=device,
        dtype=dtype,
        batch_clips=batch_clips,
    )
    return {"video": network}


FAMILY = Family(
    scheme="i3d",
    build=build,
    modalities=("video",),
    extra=EXTRA,
    summary="video: I3D, the authors' Inception or pytorchvideo's ResNet, with a local weight file",
    examples=("i3d:path/to/rgb_imagenet.pt", "i3d:path/to/I3D_8x8_R50.pyth"),
    dimensions=(1024, 2048),
    license="Apache-2.0 code; weights trained on Kinetics-400",
    folders=False,
    files=True,
)
