"""VGGish with random weights of small widths, in the layouts of torchvggish and torchaudio, and its computation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import one_by_one
from sounds import forms, longer_than, sounds
from tiny_events import random_tensors

from senseweave.testing import Case

WIDTHS = {0: (4, 1), 3: (6, 4), 6: (6, 6), 8: (6, 6), 11: (8, 6), 13: (8, 8)}
LINEAR = {0: (20, 8 * 4 * 6), 2: (20, 20), 4: (12, 20)}
TORCHAUDIO = {"features.": "features_network.", "embeddings.": "embedding_network."}


def vggish_tensors() -> dict[str, Any]:
    """Tensors as torchvggish names them, with a bias that lets most of the last layer be positive."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, width in WIDTHS.items():
        shapes |= {f"features.{number}.weight": (*width, 3, 3), f"features.{number}.bias": width[:1]}
    for number, width in LINEAR.items():
        shapes |= {f"embeddings.{number}.weight": width, f"embeddings.{number}.bias": width[:1]}
    return random_tensors(shapes, 2.0)


def whitening_tensors() -> dict[str, Any]:
    """The principal components that the model of torchvggish's hub holds beside its weights."""
    tensors = random_tensors({"pproc.pca_eigen_vectors": (12, 12), "pproc.pca_means": (12, 1)}, 1.0)
    tensors["pproc.pca_eigen_vectors"] *= 0.05  # few values are beyond 2
    return tensors


def torchaudio_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {}
    for name, tensor in tensors.items():
        before = next(key for key in TORCHAUDIO if name.startswith(key))
        renamed[TORCHAUDIO[before] + name.removeprefix(before)] = tensor
    return renamed


def save(folder: Path, tensors: Mapping[str, Any]) -> str:
    from safetensors.torch import save_file

    save_file(dict(tensors), folder / "vggish.safetensors")
    return f"vggish:{folder / 'vggish.safetensors'}"


def make_vggish(folder: Path) -> str:
    return save(folder, vggish_tensors())


def make_vggish_of_torchaudio(folder: Path) -> str:
    return save(folder, torchaudio_names(vggish_tensors()))


def make_whitened_vggish(folder: Path) -> str:
    return save(folder, {**vggish_tensors(), **whitening_tensors()})


def log_mel(samples: np.ndarray) -> np.ndarray:
    """tensorflow/models, audioset/vggish/mel_features.py: straight sides in mel, magnitudes, log(x + 0.01)."""
    import torch

    # torch puts a shorter window into the middle of the transform; the phase is lost with the magnitude.
    padded = np.concatenate([np.zeros(56), samples, np.zeros(56)])
    count = 1 + (len(samples) - 400) // 160
    spectrum = torch.stft(
        torch.from_numpy(padded),
        512,
        160,
        win_length=400,
        window=torch.hann_window(400, dtype=torch.float64),
        center=False,
        return_complex=True,
    )
    magnitudes = spectrum.abs().T.numpy()[:count]
    mel = [1127 * math.log(1 + frequency * 8000 / 256 / 700) for frequency in range(257)]
    low, high = 1127 * math.log(1 + 125 / 700), 1127 * math.log(1 + 7500 / 700)
    edges = [low + (high - low) * number / 65 for number in range(66)]
    matrix = np.zeros((257, 64))
    for bin_number in range(1, 257):
        for band in range(64):
            rise = (mel[bin_number] - edges[band]) / (edges[band + 1] - edges[band])
            fall = (edges[band + 2] - mel[bin_number]) / (edges[band + 2] - edges[band + 1])
            matrix[bin_number, band] = max(0.0, min(rise, fall))
    return np.log(magnitudes @ matrix + 0.01)


def embed_examples(tensors: Mapping[str, Any], samples: np.ndarray) -> Any:
    """The rectified 128 numbers of each whole example (torchvggish, vggish.py), shape (examples, dimension)."""
    import torch
    from torch.nn import functional

    bands = log_mel(np.pad(samples, (0, max(0, 15_600 - len(samples)))))
    examples = [bands[start : start + 96] for start in range(0, len(bands) - 95, 96)]
    x = torch.from_numpy(np.stack(examples).astype(np.float32))[:, None]
    for block in ((0,), (3,), (6, 8), (11, 13)):
        for number in block:
            weight, bias = tensors[f"features.{number}.weight"], tensors[f"features.{number}.bias"]
            x = functional.relu(functional.conv2d(x, weight, bias, padding=1))
        x = functional.max_pool2d(x, 2)
    x = x.transpose(1, 3).transpose(1, 2).reshape(len(x), -1)
    for number in (0, 2, 4):
        x = functional.relu(
            functional.linear(x, tensors[f"embeddings.{number}.weight"], tensors[f"embeddings.{number}.bias"])
        )
    return x


def vggish(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The mean of what torchvggish gives for each example."""
    tensors = vggish_tensors()
    return one_by_one(lambda sound: embed_examples(tensors, sound.samples).mean(dim=0), items)


def whitened_vggish(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The mean of the whitened and rounded examples (torchvggish, vggish.py, Postprocessor)."""
    import torch

    tensors = {**vggish_tensors(), **whitening_tensors()}
    matrix, means = tensors["pproc.pca_eigen_vectors"], tensors["pproc.pca_means"]

    def compute(sound: Any) -> Any:
        whitened = torch.mm(matrix, embed_examples(tensors, sound.samples).t() - means).t()
        return torch.round((torch.clamp(whitened, -2, 2) + 2) * (255 / 4)).mean(dim=0)

    return one_by_one(compute, items)


def case(name: str, make: Callable[[Path], str], reference: Any, weight: str, **more: Any) -> Case:
    return Case(
        name,
        "audio",
        make,
        sounds,
        reference,
        options={"window_seconds": 2.5},
        forms=forms,
        long_item=longer_than(2.5),
        splits_long=True,
        poison=weight,
        missing=weight,
        **more,
    )


VGGISH_FAMILIES: list[Case] = [
    case("vggish", make_vggish, vggish, "embeddings.4.weight"),
    case(
        "vggish-torchaudio",
        make_vggish_of_torchaudio,
        vggish,
        "embedding_network.4.weight",
        missing_as="embeddings.4.weight",
    ),
    case(
        "vggish-whitened", make_whitened_vggish, whitened_vggish, "pproc.pca_means", half_types=frozenset({"float16"})
    ),
]
