"""Small pictures, and what every image family does with them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIZES = [(40, 30), (30, 52), (64, 64), (33, 20)]
"""Widths and heights: landscape, portrait, square and smaller than the models read."""


def pictures(folder: Path) -> list[Path]:
    """Four pictures of shapes and noise, of different sizes, as PNG files."""
    from PIL import Image, ImageDraw

    random = np.random.default_rng(3)
    paths = []
    for index, (width, height) in enumerate(SIZES):
        image = Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8) // (index + 1))
        draw = ImageDraw.Draw(image)
        draw.rectangle((4, 4, width // 2, height // 2), fill=("red", "blue", "white", "green")[index])
        path = folder / f"picture-{index}.png"
        image.save(path)
        paths.append(path)
    return paths


def forms(path: Path) -> list[Any]:
    """One picture as a path, string, URL, data URI, bytes, file object, PIL image and array."""
    from PIL import Image

    data = path.read_bytes()
    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    image = Image.open(path)
    return [path, str(path), path.as_uri(), uri, data, io.BytesIO(data), image, np.asarray(image)]


def one_by_one(compute: Callable[[Any], Any], items: Sequence[Any]) -> np.ndarray:
    """Vectors of a raw library for items one at a time, shape (n, dimension)."""
    import torch

    with torch.inference_mode():
        return np.concatenate([np.asarray(compute(item)).reshape(1, -1) for item in items])


def livelier(model: Any, std: float = 0.5) -> Any:
    """Larger random weights than the usual initialisation, under which all inputs look alike."""
    import torch

    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=std)
        elif "norm" not in name.lower() and "scale" not in name and parameter.numel() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()
