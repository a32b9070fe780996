"""Somebody speaking: short pieces of the recordings of the sample corpus."""

from __future__ import annotations

from pathlib import Path

RATE = 16_000
RECORDINGS = ("recording-03.mp3", "recording-06.wav", "recording-07.mp3", "recording-01.wav")


def sentences(folder: Path, seconds: float = 2.0) -> list[Path]:
    """The beginnings of four recordings, as WAV files."""
    import soundfile

    from senseweave.media import Audio

    corpus = Path(__file__).parents[3] / "examples" / "data" / "audio"
    paths = []
    for index, name in enumerate(RECORDINGS):
        sound = Audio(corpus / name, span=(0.0, seconds)).decode(sampling_rate=RATE)
        path = folder / f"sentence-{index}-{seconds:g}.wav"
        soundfile.write(path, sound.samples, RATE)
        paths.append(path)
    return paths
