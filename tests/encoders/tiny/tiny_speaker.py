"""A speaker encoder with random weights, and the computation that its authors document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pictures import one_by_one
from sounds import forms, longer_than, sounds

from senseweave.testing import Case

SEED = 7


def make(folder: Path) -> str:
    """The size is that of the published weights: the names and shapes of the file are all that tells it apart."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    network = torch.nn.ModuleDict(
        {"lstm": torch.nn.LSTM(40, 256, 3, batch_first=True), "linear": torch.nn.Linear(256, 256)}
    )
    torch.nn.init.normal_(network["linear"].weight, std=0.5)
    with torch.no_grad():
        network["lstm"].weight_ih_l0.mul_(2000)  # power in mel bands is far below 1
        for name, parameter in network["lstm"].named_parameters():
            if name.startswith("weight_hh") or name.startswith("weight_ih_l1") or name.startswith("weight_ih_l2"):
                parameter.mul_(3)
    save_file(network.state_dict(), folder / "speaker.safetensors")
    return f"speaker:{folder / 'speaker.safetensors'}"


def reference(folder: Path, items: Sequence[Any], role: str) -> np.ndarray:
    """resemblyzer/voice_encoder.py, embed_utterance, with normalize_volume before it, mel bands by torchaudio."""
    import torch
    from safetensors.torch import load_file
    from torchaudio.transforms import MelSpectrogram

    tensors = load_file(folder / "speaker.safetensors")
    lstm, linear = torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)
    lstm.load_state_dict({name.removeprefix("lstm."): one for name, one in tensors.items() if name.startswith("lstm.")})
    linear.load_state_dict({name.removeprefix("linear."): one for name, one in tensors.items() if "linear" in name})
    mel = MelSpectrogram(
        16_000, n_fft=400, hop_length=160, n_mels=40, pad_mode="constant", norm="slaney", mel_scale="slaney"
    )

    def compute(sound: Any) -> Any:
        wav = sound.samples
        change = -30 - 20 * np.log10(np.sqrt(np.mean(wav.astype(np.float64) ** 2)))
        wav = wav * 10 ** (max(change, 0) / 20)
        frame_step = int(np.round(16_000 / 1.3 / 160))
        slices = [
            slice(i, i + 160)
            for i in range(0, max(1, int(np.ceil((len(wav) + 1) / 160)) - 160 + frame_step + 1), frame_step)
        ]
        if (len(wav) - slices[-1].start * 160) / 25_600 < 0.75 and len(slices) > 1:
            slices = slices[:-1]
        wav = np.pad(wav, (0, max(0, slices[-1].stop * 160 - len(wav)))).astype(np.float32)
        bands = mel(torch.from_numpy(wav)).T
        _, (hidden, _) = lstm(torch.stack([bands[window] for window in slices]))
        partials = torch.nn.functional.normalize(torch.relu(linear(hidden[-1])), dim=1)
        return torch.nn.functional.normalize(partials.mean(dim=0), dim=0)

    return one_by_one(compute, items)


SPEAKER_FAMILIES: list[Case] = [
    Case(
        "speaker",
        "audio",
        make,
        sounds,
        reference,
        options={"window_seconds": 2.5},
        forms=forms,
        long_item=longer_than(2.5),
        splits_long=True,
        poison="linear.weight",
        missing="linear.weight",
        half_types=frozenset(),
    ),
]
