"""Video by C3D: 16 frames at a time, from weights of Sports-1M, mmaction or UCF-101, with a local weight file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

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
from senseweave.errors import WeightsError
from senseweave.extras import require
from senseweave.media import Modality

Layer = Literal["fc6", "fc7"]
FRAMES, FRAME_RATE = 16, 25.0
"""Frames per clip, which follow each other (Tran et al. 2015, arXiv 1412.0767, section 3.1), at a usual rate."""
BLOCKS: Final = (("1",), ("2",), ("3a", "3b"), ("4a", "4b"), ("5a", "5b"))
"""Convolutions between which states are pooled (section 3.2, figure 3)."""
CELLS = 4 * 4
"""Places of a channel after the last pooling."""
CONVOLUTIONS: Final = tuple(f"conv{name}" for block in BLOCKS for name in block)
PIXELS: Final[dict[str, Pixels]] = {
    "sports1m": Pixels((112, 200), 112, (0, 0, 0), 1),
    "mmaction": Pixels(128, 112, (104, 117, 128), 1, whole=lambda side: int(side + 0.5), center=math.floor),
    "ucf101": Pixels((128, 171), 112, (90, 98, 102), 1, reverse=True),
}
"""How frames are prepared for the weights of each layout: DavideA/c3d-pytorch (predict.py), mmaction2
(configs/recognition/c3d) and jfzhang95/pytorch-video-recognition (inference.py)."""
UNNAMED: Final[dict[str, str]] = {
    **{f"features.{number}": name for number, name in zip((0, 3, 6, 8, 11, 13, 16, 18), CONVOLUTIONS, strict=True)},
    **{"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "fc8"},
}
"""Numbers instead of names, as in the pretrained file of pytorch-video-recognition."""
CLASSIFIERS: Final = ("fc8.", "cls_head.")


def recognize(tensors: Mapping[str, Any], name: str, *, layer: Layer, frames_as: str | None = None) -> Recipe:
    """Return how a checkpoint of C3D is read.

    Args:
        tensors: By any of the known names.
        name: What errors call the checkpoint.
        layer: Whose output is the vector.
        frames_as: Key of `PIXELS`; that of the layout if None.

    Raises:
        WeightsError: If they are no weights of C3D.
    """
    tensors = {key.removeprefix("backbone."): tensor for key, tensor in tensors.items()}
    layout = "sports1m"
    if any(re.match(r"conv\d[ab]\.conv\.", key) for key in tensors):
        layout = "mmaction"
        tensors = {re.sub(r"^(conv\d[ab])\.conv\.", r"\1.", key): tensor for key, tensor in tensors.items()}
        tensors = {re.sub(r"^conv([12])a\.", r"conv\1.", key): tensor for key, tensor in tensors.items()}
    elif "features.0.weight" in tensors:
        layout = "ucf101"
        parts = {key: key.rpartition(".") for key in tensors}
        tensors = {f"{UNNAMED.get(before, before)}.{kind}": tensors[key] for key, (before, _, kind) in parts.items()}
    layers: list[Layer] = ["fc6"] if layer == "fc6" else ["fc6", "fc7"]
    needed = [f"{part}.weight" for part in (*CONVOLUTIONS, *layers)]
    missing = [key for key in needed if key not in tensors]
    if missing:
        msg = f"{name} is no checkpoint of C3D, or incomplete: it lacks {', '.join(missing)}"
        raise WeightsError(msg)
    reads, gives = tensors["fc6.weight"].shape[1], tensors["conv5b.weight"].shape[0] * CELLS
    if reads != gives:
        msg = f"{name} does not fit C3D: fc6 reads {reads} numbers, and conv5b gives {gives} for 16 frames of 112 x 112"
        raise WeightsError(msg)
    unused = CLASSIFIERS if layer == "fc7" else ("fc7.", *CLASSIFIERS)

    def network() -> Any:
        nn = require("torch", extra=EXTRA).nn
        shapes = {part: tensors[f"{part}.weight"].shape for part in (*CONVOLUTIONS, *layers)}
        parts = {part: nn.Conv3d(shapes[part][1], shapes[part][0], 3, padding=1) for part in CONVOLUTIONS}
        parts |= {part: nn.Linear(shapes[part][1], shapes[part][0]) for part in layers}
        return nn.ModuleDict(parts)

    return Recipe(
        layout=layout,
        tensors=tensors,
        unused=unused,
        network=network,
        run=run,
        dimension=int(tensors[f"{layer}.weight"].shape[0]),
        frames=FRAMES,
        frame_rate=FRAME_RATE,
        pixels=PIXELS[frames_as or layout],
    )


def run(network: Any, clips: Any) -> Any:
    """Return the rectified output of the last linear layer that the network has, shape (n, dimension)."""
    states = clips
    for number, block in enumerate(BLOCKS):
        for name in block:
            states = network[f"conv{name}"](states).relu()
        kernel = (1 if number == 0 else 2, 2, 2)
        states = max_pool(states, kernel, kernel, (0, 1, 1) if number == len(BLOCKS) - 1 else 0)
    states = states.flatten(1)
    for name in ("fc6", "fc7"):
        if name in network:
            states = network[name](states).relu()
    return states


def build(
    name: str,
    *,
    layer: Layer = "fc6",
    preparation: str | None = None,
    window_seconds: float | None = None,
    device: str | None = None,
    dtype: str | None = None,
    batch_clips: int = BATCH_CLIPS,
) -> dict[Modality, Encoder]:
    """Build the video encoder of a C3D checkpoint.

    Args:
        name: Path of a weight file: `conv1.weight` to `fc7.weight` (Sports-1M), those of mmaction, or `features.0` to
            `classifier.6`.
        layer: `fc6`, which the paper's descriptor is made of (section 3.3), or `fc7`, which mmaction's head reads.
        preparation: How frames are prepared: `sports1m` (values from 0 to 255), `mmaction` (less their mean) or
            `ucf101` (blue first, less their mean); that of the layout if None.
        window_seconds: Time that a clip covers, 0.64 s if None. Longer video is cut into such windows and averaged.
        device: torch device; the best there is if None.
        dtype: `float32`, `bfloat16` or `float16`.
        batch_clips: Clips per batch.

    Raises:
        ModelError: If there is no such file.
        ValueError: If layer or preparation are not known.
    """
    if layer not in get_args(Layer):
        msg = f"layer must be one of {', '.join(get_args(Layer))}, not {layer!r}"
        raise ValueError(msg)
    if preparation is not None and preparation not in PIXELS:
        msg = f"preparation must be one of {', '.join(PIXELS)}, not {preparation!r}"
        raise ValueError(msg)
    network = ClipNetwork(
        find_weights("c3d", name, "c3d_sports1m.pth"),
        lambda tensors, file: recognize(tensors, file, layer=layer, frames_as=preparation),
        family="c3d",
        window_seconds=window_seconds,
        device=device,
        dtype=dtype,
        batch_clips=batch_clips,
        what={"layer": layer, "preparation": preparation},
    )
    return {"video": network}


FAMILY = Family(
    scheme="c3d",
    build=build,
    modalities=("video",),
    extra=EXTRA,
    summary="video: C3D over 16 frames, with a local weight file",
    examples=("c3d:path/to/c3d_sports1m.pth",),
    dimensions=(4096,),
    license="by weights; trained on Sports-1M",
    folders=False,
    files=True,
)
