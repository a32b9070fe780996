"""Audio encoders against transformers in batches of eight: wav2vec 2.0 on clips of many lengths, Whisper on short ones.

    python benchmarks/audio_encoders.py [--layers 6]

The weights are drawn by chance, which changes no time. transformers pads a batch to its longest clip in the order
given, as its documentation does; senseweave batches equal lengths of models on waveforms, without padding. Whisper's
encoder reads 30 seconds in transformers, and with `padding="none"` the clip alone in senseweave.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import measuring
import numpy as np

RATE = 16_000
BATCH = 8


def save_wav2vec2(folder: Path, layers: int) -> None:
    """Save wav2vec 2.0 of the base size with some layers."""
    import transformers

    config = transformers.Wav2Vec2Config(num_hidden_layers=layers)
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)


def save_whisper(folder: Path) -> None:
    """Save Whisper of the size of tiny."""
    import transformers

    config = transformers.WhisperConfig(decoder_layers=1)
    transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)


def peer(folder: Path, clips: list[np.ndarray], *, whisper: bool) -> Any:
    """Return a function that embeds clips with transformers in padded batches of eight."""
    import torch
    from transformers import AutoFeatureExtractor, AutoModel

    extractor, model = AutoFeatureExtractor.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    network = model.encoder if whisper else model

    def embed() -> None:
        for start in range(0, len(clips), BATCH):
            how = {} if whisper else {"padding": True}
            inputs = extractor(clips[start : start + BATCH], sampling_rate=RATE, return_tensors="pt", **how)
            with torch.inference_mode():
                network(next(iter(inputs.values()))).last_hidden_state.mean(dim=1)

    return embed


def main() -> None:
    """Time both models."""
    parser = measuring.arguments(__doc__, rounds=5)
    parser.add_argument("--layers", type=int, default=6, help="of wav2vec 2.0")
    options = parser.parse_args()
    measuring.set_threads(options.threads)
    warnings.simplefilter("ignore")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import senseweave as sw

    random = np.random.default_rng(0)
    seconds = random.permutation([1.0, 2.0, 4.0, 8.0] * 3)
    mixed = [(0.1 * random.standard_normal(round(each * RATE))).astype(np.float32) for each in seconds]
    short = [(0.1 * random.standard_normal(3 * RATE)).astype(np.float32) for _ in range(BATCH)]
    with tempfile.TemporaryDirectory() as temporary:
        waveforms, whisper = Path(temporary) / "wav2vec2", Path(temporary) / "whisper"
        save_wav2vec2(waveforms, options.layers)
        save_whisper(whisper)
        works = (
            ("wav2vec 2.0, clips of 1 to 8 s", waveforms, mixed, {}),
            ("Whisper's encoder, clips of 3 s", whisper, short, {}),
            ("Whisper's encoder, clips of 3 s, without padding", whisper, short, {"padding": "none"}),
        )
        for work, folder, clips, how in works:
            space = sw.load(str(folder), device="cpu", cache_size=0, **how)
            inputs = [(clip, RATE) for clip in clips]
            together = space.embed_audio(inputs)
            alone = np.concatenate([space.embed_audio([each]) for each in inputs[:3]])
            gate = f"alone and in a batch to {np.abs(together[:3] - alone).max():.0e}"
            sides = {
                measuring.OURS: lambda space=space, inputs=inputs: space.embed_audio(inputs),
                "transformers": peer(folder, clips, whisper=folder == whisper),
            }
            sides["transformers"]()
            row = measuring.compare(work, sides, options, unit="clips/s", items=len(clips), gate=gate)
            measuring.report(row, options)


if __name__ == "__main__":
    main()
