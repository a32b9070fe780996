"""CNN14 and ECAPA-TDNN with random weights of small widths, and the computations of their authors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import one_by_one
from sounds import forms, longer_than, sounds

from senseweave.testing import Case

WIDTHS = (4, 6, 8, 8, 10, 12)
FFT, HOP, RATE = 1024, 320, 32_000
CHANNELS, JOINED, SQUEEZED, SPEAKER = 16, 24, 8, 12


def random_tensors(shapes: Mapping[str, tuple[int, ...]], scale: float) -> dict[str, Any]:
    """The same tensors with every version of torch."""
    import torch

    rng = np.random.default_rng(7)
    tensors = {}
    for name in sorted(shapes):
        values = rng.normal(size=shapes[name])
        if name.endswith("running_var"):
            values = 1 + values**2
        elif name.endswith("weight") and len(shapes[name]) == 1:
            values = 1 + 0.3 * values
        elif name.endswith("weight"):
            values *= scale / np.sqrt(np.prod(shapes[name][1:]))
        tensors[name] = torch.from_numpy(np.asarray(values, np.float32))
    return tensors


def norm_shapes(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}


def cnn14_tensors() -> dict[str, Any]:
    import torch
    from torchaudio.functional import melscale_fbanks

    shapes = norm_shapes("bn0", 64)
    channels = 1
    for number, width in enumerate(WIDTHS, 1):
        for layer, before in (("1", channels), ("2", width)):
            shapes[f"conv_block{number}.conv{layer}.weight"] = (width, before, 3, 3)
            shapes |= norm_shapes(f"conv_block{number}.bn{layer}", width)
        channels = width
    shapes |= {"fc1.weight": (14, channels), "fc1.bias": (14,), "fc_audioset.weight": (5, 14), "fc_audioset.bias": (5,)}
    tensors = random_tensors(shapes, 2.0)
    mel = melscale_fbanks(FFT // 2 + 1, 50.0, 14_000.0, 64, RATE, norm="slaney", mel_scale="slaney")
    fourier = torch.zeros(FFT // 2 + 1, 1, FFT)  # senseweave has its own; only the shape is read
    stft = {f"spectrogram_extractor.stft.conv_{part}.weight": fourier for part in ("real", "imag")}
    return {**tensors, "logmel_extractor.melW": mel, **stft}


def make_cnn14(folder: Path) -> str:
    from safetensors.torch import save_file

    tensors = cnn14_tensors()
    tensors["spectrogram_extractor.stft.conv_imag.weight"] = tensors["spectrogram_extractor.stft.conv_imag.weight"] + 0
    save_file(tensors, folder / "cnn14.safetensors")
    return f"panns:{folder / 'cnn14.safetensors'}"


def cnn14(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """audioset_tagging_cnn/pytorch/models.py, Cnn14.forward, with mel bands by torchaudio."""
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional
    from torchaudio.transforms import MelSpectrogram

    tensors = load_file(folder / "cnn14.safetensors")
    mel = MelSpectrogram(
        RATE, FFT, hop_length=HOP, f_min=50, f_max=14_000, n_mels=64, norm="slaney", mel_scale="slaney"
    )

    def norm(name: str, x: Any) -> Any:
        parts = (tensors[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts)

    def compute(sound: Any) -> Any:
        x = 10 * torch.log10(torch.clamp(mel(torch.from_numpy(sound.samples.copy())), min=1e-10)).T[None, None]
        x = norm("bn0", x.transpose(1, 3)).transpose(1, 3)
        for number in range(1, 7):
            block = f"conv_block{number}"
            for layer in (1, 2):
                x = functional.conv2d(x, tensors[f"{block}.conv{layer}.weight"], padding=1)
                x = functional.relu(norm(f"{block}.bn{layer}", x))
            x = functional.avg_pool2d(x, 2 if number < 6 else 1)
        x = x.mean(dim=3)
        x = x.max(dim=2).values + x.mean(dim=2)
        return functional.relu(functional.linear(x, tensors["fc1.weight"], tensors["fc1.bias"]))

    return one_by_one(compute, items)


def ecapa_tensors() -> dict[str, Any]:
    shapes: dict[str, tuple[int, ...]] = {}

    def conv(name: str, width: int, channels: int, kernel: int = 1) -> None:
        shapes.update({f"{name}.weight": (width, channels, kernel), f"{name}.bias": (width,)})

    def layer(name: str, width: int, channels: int, kernel: int = 1) -> None:
        conv(f"{name}.conv.conv", width, channels, kernel)
        shapes.update(norm_shapes(f"{name}.norm.norm", width))

    layer("blocks.0", CHANNELS, 80, 5)
    for number in (1, 2, 3):
        layer(f"blocks.{number}.tdnn1", CHANNELS, CHANNELS)
        for part in range(7):
            layer(f"blocks.{number}.res2net_block.blocks.{part}", CHANNELS // 8, CHANNELS // 8, 3)
        layer(f"blocks.{number}.tdnn2", CHANNELS, CHANNELS)
        conv(f"blocks.{number}.se_block.conv1.conv", SQUEEZED, CHANNELS)
        conv(f"blocks.{number}.se_block.conv2.conv", CHANNELS, SQUEEZED)
    layer("mfa", JOINED, 3 * CHANNELS)
    layer("asp.tdnn", SQUEEZED, 3 * JOINED)
    conv("asp.conv.conv", JOINED, SQUEEZED)
    shapes.update(norm_shapes("asp_bn.norm", 2 * JOINED))
    conv("fc.conv", SPEAKER, 2 * JOINED)
    return random_tensors(shapes, 1.5)


def make_ecapa(folder: Path) -> str:
    from safetensors.torch import save_file

    save_file(ecapa_tensors(), folder / "embedding_model.safetensors")
    (folder / "hyperparams.yaml").write_text("n_mels: 80\n")
    return str(folder)


def ecapa(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """speechbrain/lobes/models/ECAPA_TDNN.py and features.py, for one recording without padding."""
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional

    t = load_file(folder / "embedding_model.safetensors")

    def conv(name: str, x: Any, dilation: int = 1) -> Any:
        weight = t[f"{name}.weight"]
        edge = dilation * (weight.shape[2] - 1) // 2
        padded = functional.pad(x, (edge, edge), mode="reflect") if edge else x
        return functional.conv1d(padded, weight, t[f"{name}.bias"], dilation=dilation)

    def norm(name: str, x: Any) -> Any:
        parts = (t[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts)

    def tdnn(name: str, x: Any, dilation: int = 1) -> Any:
        return norm(f"{name}.norm.norm", functional.relu(conv(f"{name}.conv.conv", x, dilation)))

    def bands(samples: np.ndarray) -> Any:
        mel = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82)
        hertz = 700 * (10 ** (mel / 2595) - 1)
        matrix = np.zeros((201, 80), np.float32)
        for band in range(80):
            slope = (np.linspace(0, 8000, 201) - hertz[band + 1]) / (hertz[band + 1] - hertz[band])
            matrix[:, band] = np.maximum(0, np.minimum(slope + 1, 1 - slope))
        wave = np.pad(samples, 200).astype(np.float64)
        frames = np.stack([wave[i : i + 400] for i in range(0, len(wave) - 399, 160)])
        window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 400)
        power = np.abs(np.fft.rfft(frames * window)) ** 2 @ matrix
        decibels = 10 * np.log10(np.maximum(power, 1e-10))
        decibels = np.maximum(decibels, decibels.max() - 80)
        return torch.from_numpy((decibels - decibels.mean(axis=0)).astype(np.float32)).T[None]

    def compute(sound: Any) -> Any:
        x = tdnn("blocks.0", bands(sound.samples))
        outputs = []
        for number, dilation in ((1, 2), (2, 3), (3, 4)):
            name, before = f"blocks.{number}", x
            pieces = list(tdnn(f"{name}.tdnn1", x).split(CHANNELS // 8, dim=1))
            for part in range(1, 8):
                inputs = pieces[part] + (pieces[part - 1] if part > 1 else 0)
                pieces[part] = tdnn(f"{name}.res2net_block.blocks.{part - 1}", inputs, dilation)
            x = tdnn(f"{name}.tdnn2", torch.cat(pieces, dim=1))
            gate = functional.relu(conv(f"{name}.se_block.conv1.conv", x.mean(dim=2, keepdim=True)))
            x = x * torch.sigmoid(conv(f"{name}.se_block.conv2.conv", gate)) + before
            outputs.append(x)
        x = tdnn("mfa", torch.cat(outputs, dim=1))
        spread = x.std(dim=2, keepdim=True, correction=0).clamp(min=1e-6)
        context = torch.cat([x, x.mean(dim=2, keepdim=True).expand_as(x), spread.expand_as(x)], dim=1)
        weights = torch.softmax(conv("asp.conv.conv", torch.tanh(tdnn("asp.tdnn", context))), dim=2)
        mean = (weights * x).sum(dim=2, keepdim=True)
        deviation = (weights * (x - mean) ** 2).sum(dim=2, keepdim=True).clamp(min=1e-12).sqrt()
        return conv("fc.conv", norm("asp_bn.norm", torch.cat([mean, deviation], dim=1)))[0, :, 0]

    return one_by_one(compute, items)


def case(name: str, make: Any, reference: Any, weight: str) -> Case:
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
        half_types=frozenset(),
    )


EVENT_FAMILIES: list[Case] = [
    case("panns", make_cnn14, cnn14, "fc1.weight"),
    case("ecapa", make_ecapa, ecapa, "mfa.conv.conv.weight"),
]
