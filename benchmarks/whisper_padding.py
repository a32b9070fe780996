"""Whisper's encoder with 30 seconds of padding and without: how alike the vectors are, and what they find.

    python benchmarks/whisper_padding.py [--seconds 2 5 10] [--speech tiny base]

The weights are those that `starter` brings (Whisper tiny.en or base, for CTranslate2, 8 bits): the mean over the frames
of each clip, as `senseweave.load("openai/whisper-base", padding=...)` computes with transformers. Clips are cut from
the sample corpus. Prints the cosine of both vectors of a clip, and how often a clip finds itself first among all when
it is asked for with noise (10 dB), quieter by half, or with its first fifth of a second cut off; "across" asks without
padding among vectors with padding, which a fingerprint of its own forbids.
"""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

import numpy as np

RATE, HOP = 16_000, 160
CORPUS = Path(__file__).parents[1] / "examples" / "data" / "audio"


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors of length one."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def embed(model: object, clips: list[np.ndarray], *, padded: bool) -> np.ndarray:
    """Return the unit mean over the frames of each clip, shape (n, width)."""
    rows = []
    for clip in clips:
        frames = -(-len(clip) // (2 * HOP))
        features = model.feature_extractor(np.pad(clip, (0, 2 * HOP * frames - len(clip))))[:, : 2 * frames]
        if padded:
            features = model.feature_extractor(clip)[:, : 2 * frames]
            features = np.pad(features, ((0, 0), (0, 3000 - features.shape[1])))
        rows.append(np.asarray(model.encode(features))[0, :frames].mean(axis=0))
    return unit(np.stack(rows))


def variants(clips: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """Return each clip with noise, quieter, and cut."""
    random = np.random.default_rng(0)
    noisy = [
        (clip + random.standard_normal(len(clip)) * np.sqrt((clip**2).mean() / 10)).astype(np.float32) for clip in clips
    ]
    return {"noise": noisy, "quieter": [clip / 2 for clip in clips], "cut": [clip[RATE // 5 :] for clip in clips]}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", nargs="+", type=float, default=[2.0, 5.0, 10.0])
    parser.add_argument("--speech", nargs="+", default=["tiny", "base"])
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    warnings.simplefilter("ignore")
    import senseweave as sw
    from senseweave.encoders.bridges.faster_whisper import FasterWhisper
    from senseweave.encoders.parts.starter_weights import WHISPER_BASE, WHISPER_TINY

    sounds = [sw.Audio(path).decode(sampling_rate=RATE).samples for path in sorted(CORPUS.iterdir())]
    print(
        "| weights | seconds | clips | cosine, least and mean | asked with | padded R@1 | unpadded R@1 | across R@1 |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for speech in options.speech:
        model = FasterWhisper({"tiny": WHISPER_TINY, "base": WHISPER_BASE}[speech], language="en")._model()
        for seconds in options.seconds:
            size = round(seconds * RATE)
            clips = [sound[at : at + size] for sound in sounds for at in range(0, len(sound) - size + 1, size)]
            padded, bare = embed(model, clips, padded=True), embed(model, clips, padded=False)
            alike = (padded * bare).sum(axis=1)
            for name, asked in variants(clips).items():
                ours, theirs = embed(model, asked, padded=False), embed(model, asked, padded=True)
                pairs = ((theirs, padded), (ours, bare), (ours, padded))
                found = [
                    float(((query @ known.T).argmax(axis=1) == np.arange(len(clips))).mean()) for query, known in pairs
                ]
                cosine = f"{alike.min():.3f}, {alike.mean():.3f}"
                figures = " | ".join(f"{rate:.2f}" for rate in found)
                print(f"| {speech} | {seconds:g} | {len(clips)} | {cosine} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
