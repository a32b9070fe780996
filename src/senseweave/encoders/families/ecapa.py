"""Who speaks: ECAPA-TDNN speaker vectors, from folders in SpeechBrain's layout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.detection import BY_TYPE, Rule, has_file
from senseweave.encoders.family import Family
from senseweave.encoders.runtime.checkpoint import hash_file, resolve
from senseweave.encoders.runtime.torch_runtime import Lazy, pick_device, to_device
from senseweave.encoders.runtime.weight_files import fill, read_tensors
from senseweave.errors import ModelError, WeightsError
from senseweave.extras import require
from senseweave.media import Modality, Waveform

EXTRA = "audio-models"
WEIGHTS = ("embedding_model.safetensors", "embedding_model.ckpt")
"""What SpeechBrain saves is the second; safetensors come first where there are both."""
PATTERNS = [*WEIGHTS, "hyperparams.yaml", "config.json"]
SAMPLING_RATE = 16_000
FRAME, HOP = 400, 160
"""Samples per frame and between frames (25 and 10 ms; speechbrain.lobes.features.Fbank)."""
LOUDEST_RANGE = 80.0
"""dB below the loudest value of a recording at which its spectrogram ends (speechbrain Filterbank, `top_db`)."""
FLOOR = 1e-10
DILATIONS = (1, 2, 3, 4)
"""Of the first layer and the blocks (Desplanques et al. 2020, arXiv 2005.07143, figure 2)."""
LEAST_SAMPLES = 1600
"""What is shorter has fewer frames than the reflections at its ends need."""
SMALLEST_VARIANCE = 1e-12
WINDOW_SECONDS = 30.0
BATCH_SECONDS = 60.0


class EcapaTdnn(Encoder):
    """Recordings to vectors that are close for the same voice and far for different voices.

    Mel bands in dB, less their mean over the recording; convolutions over time, three blocks of Res2Net with squeeze
    and excitation, whose outputs are joined; mean and deviation over time, weighted by attention; a linear layer
    (Desplanques et al. 2020, arXiv 2005.07143). Only equal lengths share a batch.
    """

    modality: ClassVar[Modality] = "audio"
    window_seconds: float
    decode_options: Mapping[str, object]
    batch_budget: int

    def __init__(
        self,
        weights: Path,
        *,
        window_seconds: float = WINDOW_SECONDS,
        batch_seconds: float = BATCH_SECONDS,
        device: str | None = None,
    ) -> None:
        """Describe the encoder; its weights are read when it is first used."""
        self.weights = weights
        self.window_seconds = window_seconds
        self.batch_budget = round(batch_seconds * SAMPLING_RATE)
        self.decode_options = {"sampling_rate": SAMPLING_RATE}
        self._device = device
        self._tensors: Lazy[dict[str, Any]] = Lazy(self._read)
        self._filters: Lazy[Any] = Lazy(lambda: mel_filters(self._tensors()["blocks.0.conv.conv.weight"].shape[1]))
        self._model: Lazy[Any] = Lazy(self._load)
        self.parts = (self._tensors, self._filters, self._model)

    @property
    def dimension(self) -> int:
        """The width of the last layer, 192."""
        return int(self._tensors()["fc.conv.weight"].shape[0])

    def prepare(self, items: Sequence[Waveform], role: Role) -> list[Prepared]:
        """Compute mel bands in dB less their mean over time, shape (bands, frames)."""
        torch = require("torch", extra=EXTRA)
        prepared = []
        for sound in items:
            samples = np.pad(sound.samples, (0, max(0, LEAST_SAMPLES - len(sound.samples))))
            spectrum = torch.stft(
                torch.from_numpy(np.ascontiguousarray(samples, np.float32)),
                FRAME,
                HOP,
                window=torch.hamming_window(FRAME),
                center=True,
                pad_mode="constant",
                return_complex=True,
            )
            bands = 10 * torch.log10((self._filters() @ spectrum.abs().square()).clamp(min=FLOOR))
            bands = bands.clamp(min=float(bands.max()) - LOUDEST_RANGE)
            bands -= bands.mean(dim=1, keepdim=True)
            prepared.append(Prepared(bands.numpy(), cost=len(samples), bucket=bands.shape[1]))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of windows of one length, in float32."""
        torch = require("torch", extra=EXTRA)
        network = self._model()
        device = next(network.parameters()).device
        with torch.inference_mode():
            states = _convolve(
                network["blocks"][0], to_device(torch.from_numpy(np.stack([item.data for item in batch])), device)
            )
            outputs = []
            for block in list(network["blocks"])[1:]:
                states = _res2net(block, states)
                outputs.append(states)
            states = _convolve(network["mfa"], torch.cat(outputs, dim=1))
            pooled = network["asp_bn"]["norm"](_attend(network["asp"], states)[..., None])
            return Encoded(network["fc"]["conv"](pooled)[..., 0].cpu().numpy())

    def identity(self) -> Mapping[str, object]:
        """Return weights and window."""
        return {"family": "ecapa", "sha256": hash_file(self.weights), "window_seconds": self.window_seconds}

    def _read(self) -> dict[str, Any]:
        tensors = read_tensors(self.weights, extra=EXTRA)
        needed = ("blocks.0.conv.conv.weight", "mfa.conv.conv.weight", "asp.conv.conv.weight", "fc.conv.weight")
        missing = [name for name in needed if name not in tensors]
        if missing:
            msg = f"{self.weights.name} is no ECAPA-TDNN of SpeechBrain, or incomplete: it lacks {', '.join(missing)}"
            raise WeightsError(msg)
        return tensors

    def _load(self) -> Any:
        network = _build_network(self._tensors())
        fill(network, self._tensors(), self.weights.name)
        return network.to(pick_device(self._device, extra=EXTRA))


def mel_filters(bands: int) -> Any:
    """Return triangles of equal slopes around centers that are evenly spaced in mel, shape (bands, 201), float32.

    Both slopes of a triangle have the width of its lower one (speechbrain.processing.features.Filterbank).
    """
    torch = require("torch", extra=EXTRA)
    highest = 2595 * math.log10(1 + SAMPLING_RATE / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, highest, bands + 2) / 2595) - 1)
    centers, widths = edges[1:-1, None], (edges[1:] - edges[:-1])[:-1, None]
    slopes = (torch.linspace(0, SAMPLING_RATE // 2, FRAME // 2 + 1) - centers) / widths
    return torch.minimum(slopes + 1, 1 - slopes).clamp(min=0)


def _build_network(tensors: Mapping[str, Any]) -> Any:
    """Return an empty network of the widths that a checkpoint has."""
    nn = require("torch", extra=EXTRA).nn

    def convolution(name: str, dilation: int = 1) -> Any:
        if f"{name}.weight" not in tensors:
            msg = f"the checkpoint is incomplete: it lacks {name}.weight"
            raise WeightsError(msg)
        width, channels, kernel = tensors[f"{name}.weight"].shape
        padding = dilation * (kernel - 1) // 2
        return nn.Conv1d(channels, width, kernel, dilation=dilation, padding=padding, padding_mode="reflect")

    def layer(name: str, dilation: int = 1) -> Any:
        inner = convolution(f"{name}.conv.conv", dilation)
        norm = nn.BatchNorm1d(inner.out_channels)
        return nn.ModuleDict({"conv": nn.ModuleDict({"conv": inner}), "norm": nn.ModuleDict({"norm": norm})})

    def wrapped(name: str) -> Any:
        return nn.ModuleDict({"conv": convolution(f"{name}.conv")})

    blocks = [layer("blocks.0", DILATIONS[0])]
    for number, dilation in enumerate(DILATIONS[1:], 1):
        at = f"blocks.{number}"
        scales = {key.split(".")[4] for key in tensors if key.startswith(f"{at}.res2net_block.blocks.")}
        inner = nn.ModuleList(layer(f"{at}.res2net_block.blocks.{scale}", dilation) for scale in range(len(scales)))
        block = {
            "tdnn1": layer(f"{at}.tdnn1"),
            "res2net_block": nn.ModuleDict({"blocks": inner}),
            "tdnn2": layer(f"{at}.tdnn2"),
            "se_block": nn.ModuleDict({name: wrapped(f"{at}.se_block.{name}") for name in ("conv1", "conv2")}),
        }
        if f"{at}.shortcut.conv.weight" in tensors:
            block["shortcut"] = wrapped(f"{at}.shortcut")
        blocks.append(nn.ModuleDict(block))
    last = wrapped("fc")
    return nn.ModuleDict(
        {
            "blocks": nn.ModuleList(blocks),
            "mfa": layer("mfa"),
            "asp": nn.ModuleDict({"tdnn": layer("asp.tdnn"), "conv": wrapped("asp.conv")}),
            "asp_bn": nn.ModuleDict({"norm": nn.BatchNorm1d(last["conv"].in_channels)}),
            "fc": last,
        }
    )


def _convolve(layer: Any, states: Any) -> Any:
    """Convolve over time, rectify and normalize."""
    return layer["norm"]["norm"](layer["conv"]["conv"](states).relu())


def _res2net(block: Any, states: Any) -> Any:
    """Compute a block of Res2Net with squeeze and excitation, and a shortcut around it."""
    torch = require("torch", extra=EXTRA)
    inner = list(block["res2net_block"]["blocks"])
    first, *others = torch.chunk(_convolve(block["tdnn1"], states), len(inner) + 1, dim=1)
    parts, before = [first], None
    for layer, part in zip(inner, others, strict=True):
        before = _convolve(layer, part if before is None else part + before)
        parts.append(before)
    mixed = _convolve(block["tdnn2"], torch.cat(parts, dim=1))
    gates = block["se_block"]["conv1"]["conv"](mixed.mean(dim=2, keepdim=True)).relu()
    mixed = mixed * block["se_block"]["conv2"]["conv"](gates).sigmoid()
    return mixed + (block["shortcut"]["conv"](states) if "shortcut" in block else states)


def _attend(pooling: Any, states: Any) -> Any:
    """Return mean and deviation over time, weighted by attention that sees both of the whole, shape (n, 2 channels)."""
    torch = require("torch", extra=EXTRA)

    def statistics(weights: Any) -> tuple[Any, Any]:
        mean = (weights * states).sum(dim=2, keepdim=True)
        variance = (weights * (states - mean).square()).sum(dim=2, keepdim=True)
        return mean, variance.clamp(min=SMALLEST_VARIANCE).sqrt()

    even = torch.full_like(states[:, :1], 1 / states.shape[2])
    context = torch.cat([states, *(value.expand_as(states) for value in statistics(even))], dim=1)
    scores = pooling["conv"]["conv"](_convolve(pooling["tdnn"], context).tanh())
    return torch.cat(statistics(scores.softmax(dim=2)), dim=1)[..., 0]


def build(
    name: str,
    *,
    revision: str | None = None,
    window_seconds: float = WINDOW_SECONDS,
    batch_seconds: float = BATCH_SECONDS,
    device: str | None = None,
) -> dict[Modality, Encoder]:
    """Build the encoder of an ECAPA-TDNN folder.

    Args:
        name: Local folder with `embedding_model.ckpt` or `.safetensors`, or hub id with the scheme.
        revision: Of a hub model.
        window_seconds: Longer recordings are cut into windows of this length, and these averaged.
        batch_seconds: Seconds of sound per batch.
        device: torch device; the best there is if None.

    Raises:
        ModelError: If the folder holds no such file.
    """
    folder = resolve(name, revision=revision, patterns=PATTERNS, weights=False).folder
    weights = next((folder / file for file in WEIGHTS if (folder / file).is_file()), None)
    if weights is None:
        msg = f"ecapa:{name} holds no {' or '.join(WEIGHTS)}; expected a folder as SpeechBrain saves speaker models"
        raise ModelError(msg)
    return {"audio": EcapaTdnn(weights, window_seconds=window_seconds, batch_seconds=batch_seconds, device=device)}


FAMILY = Family(
    scheme="ecapa",
    build=build,
    modalities=("audio",),
    extra=EXTRA,
    summary="who speaks: ECAPA-TDNN in SpeechBrain's layout, 192 numbers",
    examples=("ecapa:speechbrain/spkrec-ecapa-voxceleb",),
    dimensions=(192,),
    license="Apache-2.0; weights trained on VoxCeleb",
    rules=(Rule(has_file(*WEIGHTS), BY_TYPE),),
)
