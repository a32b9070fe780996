"""C3D and I3D with random weights of small widths, in every layout that is read, and the computations of the papers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from films import films, forms, longer_than
from pictures import one_by_one
from tiny_events import norm_shapes, random_tensors

from senseweave.testing import Case

C3D_WIDTHS = {"1": 4, "2": 6, "3a": 6, "3b": 6, "4a": 8, "4b": 8, "5a": 8, "5b": 8}
C3D_NUMBERS = dict(zip(C3D_WIDTHS, (0, 3, 6, 8, 11, 13, 16, 18), strict=True))
FC6, FC7 = 20, 12
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Widths of b0, b1a, b1b, b2a, b2b and b3b (GoogLeNet, arXiv 1409.4842, table 1; one number is inception's own)."""
INCEPTION_STEM = {"Conv3d_1a_7x7": (64, 3, 7), "Conv3d_2b_1x1": (64, 64, 1), "Conv3d_2c_3x3": (192, 64, 3)}
RESNET_KERNELS = {1: ((3, 1, 1),), 3: ((3, 1, 1), (1, 1, 1)), 4: ((3, 1, 1), (1, 1, 1)), 5: ((1, 1, 1), (3, 1, 1))}
"""Kernels of `conv_a` by stage and block, one after another."""


def c3d_tensors() -> dict[str, Any]:
    """Tensors by the names of the weights of Sports-1M, with the classifier that is not read."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 3
    for name, width in C3D_WIDTHS.items():
        shapes |= {f"conv{name}.weight": (width, channels, 3, 3, 3), f"conv{name}.bias": (width,)}
        channels = width
    for name, width, inputs in (("fc6", FC6, channels * 16), ("fc7", FC7, FC6), ("fc8", 5, FC7)):
        shapes |= {f"{name}.weight": (width, inputs), f"{name}.bias": (width,)}
    tensors = random_tensors(shapes, 1.5)
    tensors["conv1.weight"] = tensors["conv1.weight"] / 60  # pixels are numbers up to 255
    return tensors


def mmaction_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The names of a recognizer of mmaction: a backbone and a head."""
    named = {}
    for name, tensor in tensors.items():
        part, _, kind = name.partition(".")
        part = re.sub(r"^conv([12])$", r"conv\1a", part)
        conv = f"backbone.{part}.conv.{kind}" if part.startswith("conv") else f"backbone.{name}"
        named[f"cls_head.fc_cls.{kind}" if part == "fc8" else conv] = tensor
    return named


def numbered_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The names of the pretrained file of pytorch-video-recognition."""
    numbers = {f"conv{name}": f"features.{number}" for name, number in C3D_NUMBERS.items()}
    numbers |= {"fc6": "classifier.0", "fc7": "classifier.3", "fc8": "classifier.6"}
    return {f"{numbers[name.partition('.')[0]]}.{name.partition('.')[2]}": tensor for name, tensor in tensors.items()}


def inception_tensors(divisor: int = 16) -> dict[str, Any]:
    """Tensors of pytorch-i3d, with widths that are divided by a number."""
    shapes: dict[str, tuple[int, ...]] = {"logits.conv3d.bias": (5,)}

    def unit(name: str, width: int, channels: int, kernel: int) -> int:
        shapes[f"{name}.conv3d.weight"] = (width, channels, kernel, kernel, kernel)
        shapes.update(norm_shapes(f"{name}.bn", width))
        return width

    def small(width: int) -> int:
        return max(1, width // divisor)

    for name, (width, channels, kernel) in INCEPTION_STEM.items():
        unit(name, small(width), channels if channels == 3 else small(channels), kernel)
    channels = small(192)
    for name, widths in MIXED.items():
        b0, b1a, b1b, b2a, b2b, b3b = map(small, widths)
        given = unit(f"{name}.b0", b0, channels, 1)
        unit(f"{name}.b1a", b1a, channels, 1)
        given += unit(f"{name}.b1b", b1b, b1a, 3)
        unit(f"{name}.b2a", b2a, channels, 1)
        given += unit(f"{name}.b2b", b2b, b2a, 3)
        given += unit(f"{name}.b3b", b3b, channels, 1)
        channels = given
    shapes["logits.conv3d.weight"] = (5, channels, 1, 1, 1)
    return calm(random_tensors(shapes, 2.0))


def resnet_tensors(depths: Sequence[int] = (2, 2, 2, 2), stem: int = 4) -> dict[str, Any]:
    """Tensors of pytorchvideo's I3D, with fewer blocks and a narrower stem."""
    shapes: dict[str, tuple[int, ...]] = {"blocks.0.conv.weight": (stem, 3, 5, 7, 7)}
    shapes |= norm_shapes("blocks.0.norm", stem)
    channels = stem
    for at, (stage, kernels) in enumerate(RESNET_KERNELS.items()):
        inner = stem * 2**at
        for number in range(depths[at]):
            block = f"blocks.{stage}.res_blocks.{number}"
            if number == 0:
                shapes[f"{block}.branch1_conv.weight"] = (4 * inner, channels, 1, 1, 1)
                shapes |= norm_shapes(f"{block}.branch1_norm", 4 * inner)
            shapes[f"{block}.branch2.conv_a.weight"] = (inner, channels, *kernels[number % len(kernels)])
            shapes[f"{block}.branch2.conv_b.weight"] = (inner, inner, 1, 3, 3)
            shapes[f"{block}.branch2.conv_c.weight"] = (4 * inner, inner, 1, 1, 1)
            for part, width in (("a", inner), ("b", inner), ("c", 4 * inner)):
                shapes |= norm_shapes(f"{block}.branch2.norm_{part}", width)
            channels = 4 * inner
    shapes |= {"blocks.6.proj.weight": (5, channels), "blocks.6.proj.bias": (5,)}
    return calm(random_tensors(shapes, 1.0))


def calm(tensors: dict[str, Any]) -> dict[str, Any]:
    """Keep what norms add so small that what is seen tells more, through all layers."""
    for name in tensors:
        if name.endswith(("bias", "running_mean")):
            tensors[name] *= 0.1
    return tensors


def maker(scheme: str, tensors: Callable[[], Mapping[str, Any]]) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        from safetensors.torch import save_file

        save_file(dict(tensors()), folder / f"{scheme}.safetensors")
        return f"{scheme}:{folder / f'{scheme}.safetensors'}"

    return make


def prepare(frames: Sequence[Any], size: Any, crop: int | tuple[int, int]) -> Any:
    """Frames resized and cropped by torchvision, shape (1, 3, frames, height, width), values from 0 to 255."""
    import torch
    from torchvision.transforms import functional

    pixels = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float()
    resized = functional.resize(pixels, size, antialias=False)
    return functional.center_crop(resized, crop).permute(1, 0, 2, 3)[None]


def read(tensors: Mapping[str, Any], name: str, *more: str) -> list[Any]:
    return [tensors[f"{name}.{kind}"] for kind in more]


def normalize(tensors: Mapping[str, Any], name: str, x: Any, eps: float) -> Any:
    from torch.nn import functional

    parts = read(tensors, name, "running_mean", "running_var", "weight", "bias")
    return functional.batch_norm(x, *parts, eps=eps)


def c3d(prepared: Callable[[Any], Any], layer: str = "fc6") -> Any:
    """arXiv 1412.0767, figure 3: eight convolutions and five poolings, and the rectified linear layers."""

    def reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
        from torch.nn import functional

        tensors = c3d_tensors()

        def compute(clip: Any) -> Any:
            x = prepared(list(clip.frames))
            for name in C3D_WIDTHS:
                weight, bias = read(tensors, f"conv{name}", "weight", "bias")
                x = functional.relu(functional.conv3d(x, weight, bias, padding=1))
                if name in ("1", "2", "3b", "4b"):
                    x = functional.max_pool3d(x, (1, 2, 2) if name == "1" else 2)
            x = functional.max_pool3d(functional.pad(x, (1, 1, 1, 1)), 2).flatten(1)  # no state is below 0
            for name in ("fc6", "fc7")[: 1 + (layer == "fc7")]:
                x = functional.relu(functional.linear(x, *read(tensors, name, "weight", "bias")))
            return x

        return one_by_one(compute, items)

    return reference


def sports1m_pixels(frames: Any) -> Any:
    return prepare(frames, [112, 200], 112)


def mmaction_pixels(frames: Any) -> Any:
    import torch

    width = int(frames[0].shape[1] * 128 / frames[0].shape[0] + 0.5)  # mmcv rounds half a pixel up, and crops before it
    left = (width - 112) // 2
    pixels = prepare(frames, [128, width], (128, width))[..., 8:120, left : left + 112]
    return pixels - torch.tensor([104.0, 117, 128]).reshape(3, 1, 1, 1)


def ucf101_pixels(frames: Any) -> Any:
    import torch

    return prepare(frames, [128, 171], 112).flip(1) - torch.tensor([90.0, 98, 102]).reshape(3, 1, 1, 1)


def same(x: Any, kernel: Sequence[int], stride: Sequence[int]) -> Any:
    """Zeros around states, as TensorFlow's SAME."""
    from torch.nn import functional

    padding: list[int] = []
    for axis in (2, 1, 0):
        length = x.shape[2 + axis]
        rest = length % stride[axis] or stride[axis]
        total = max(kernel[axis] - rest, 0)
        padding += [total // 2, total - total // 2]
    return functional.pad(x, padding)


def inception(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """arXiv 1705.07750, figure 3 (pytorch-i3d, `extract_features`, and its mean over time)."""
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional

    tensors = load_file(folder / "i3d.safetensors")

    def unit(name: str, x: Any, stride: int = 1) -> Any:
        weight = tensors[f"{name}.conv3d.weight"]
        x = functional.conv3d(same(x, weight.shape[2:], [stride] * 3), weight, stride=stride)
        return functional.relu(normalize(tensors, f"{name}.bn", x, 1e-3))

    def pool(x: Any, kernel: Sequence[int], stride: Sequence[int]) -> Any:
        return functional.max_pool3d(same(x, kernel, stride), kernel, stride)

    def compute(clip: Any) -> Any:
        x = prepare(list(clip.frames), 256, 224) / 255 * 2 - 1
        x = pool(unit("Conv3d_1a_7x7", x, 2), (1, 3, 3), (1, 2, 2))
        x = pool(unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", x)), (1, 3, 3), (1, 2, 2))
        for name in MIXED:
            if name == "Mixed_4b":
                x = pool(x, (3, 3, 3), (2, 2, 2))
            if name == "Mixed_5b":
                x = pool(x, (2, 2, 2), (2, 2, 2))
            parts = [
                unit(f"{name}.b0", x),
                unit(f"{name}.b1b", unit(f"{name}.b1a", x)),
                unit(f"{name}.b2b", unit(f"{name}.b2a", x)),
                unit(f"{name}.b3b", pool(x, (3, 3, 3), (1, 1, 1))),
            ]
            x = torch.cat(parts, dim=1)
        return functional.avg_pool3d(x, (2, 7, 7), 1).mean(dim=(2, 3, 4))

    return one_by_one(compute, items)


def resnet(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """pytorchvideo's `i3d_r50` up to its `proj` (models/hub/resnet.py, models/resnet.py)."""
    from safetensors.torch import load_file
    from torch.nn import functional

    tensors = load_file(folder / "i3d.safetensors")

    def conv(name: str, x: Any, norm: str, stride: Any = 1) -> Any:
        weight = tensors[f"{name}.weight"]
        padding = [size // 2 for size in weight.shape[2:]]
        return normalize(tensors, norm, functional.conv3d(x, weight, stride=stride, padding=padding), 1e-5)

    def compute(clip: Any) -> Any:
        x = (prepare(list(clip.frames), 256, 256) / 255 - 0.45) / 0.225
        x = functional.relu(conv("blocks.0.conv", x, "blocks.0.norm", (1, 2, 2)))
        x = functional.max_pool3d(x, (1, 3, 3), (1, 2, 2), (0, 1, 1))
        for stage in RESNET_KERNELS:
            for number in range(2):
                block = f"blocks.{stage}.res_blocks.{number}"
                stride = (1, 2, 2) if stage > 1 and number == 0 else (1, 1, 1)
                y = functional.relu(conv(f"{block}.branch2.conv_a", x, f"{block}.branch2.norm_a"))
                y = functional.relu(conv(f"{block}.branch2.conv_b", y, f"{block}.branch2.norm_b", stride))
                y = conv(f"{block}.branch2.conv_c", y, f"{block}.branch2.norm_c")
                if number == 0:
                    x = conv(f"{block}.branch1_conv", x, f"{block}.branch1_norm", stride)
                x = functional.relu(x + y)
            if stage == 1:
                x = functional.max_pool3d(x, (2, 1, 1))
        return functional.avg_pool3d(x, (4, 7, 7), 1).mean(dim=(2, 3, 4))

    return one_by_one(compute, items)


def case(name: str, make: Any, reference: Any, weight: str, missing_as: str | None = None, **options: Any) -> Case:
    return Case(
        name,
        "video",
        make,
        films,
        reference,
        options={"window_seconds": 1.5, **options},
        forms=forms,
        long_item=longer_than(1.5),
        splits_long=True,
        poison=weight,
        missing=weight,
        missing_as=missing_as,
    )


CLIP_NETWORK_FAMILIES: list[Case] = [
    case("c3d-sports1m", maker("c3d", c3d_tensors), c3d(sports1m_pixels), "fc6.weight"),
    case(
        "c3d-mmaction",
        maker("c3d", lambda: mmaction_names(c3d_tensors())),
        c3d(mmaction_pixels, "fc7"),
        "fc7.weight",
        layer="fc7",
    ),
    case(
        "c3d-ucf101",
        maker("c3d", lambda: numbered_names(c3d_tensors())),
        c3d(ucf101_pixels),
        "features.8.weight",
        "conv3b.weight",
    ),
    *(
        replace(held, items=lambda folder: films(folder)[:2], forms=lambda path: [path, path.read_bytes()])
        for held in (
            case("i3d-inception", maker("i3d", inception_tensors), inception, "Mixed_4c.b1b.bn.running_var", frames=9),
            case("i3d-resnet", maker("i3d", resnet_tensors), resnet, "blocks.4.res_blocks.1.branch2.norm_b.weight"),
        )
    ),
]
"""Frames of I3D are as large as the network needs them: two videos, in two forms."""
