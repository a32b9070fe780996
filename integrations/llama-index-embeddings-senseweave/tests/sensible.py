"""A small space of all four modalities that needs no weights, and small media to embed with it.

A module of its own, so that other processes can import it by name and rebuild the space.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.media import Modality
from senseweave.spaces import Space

DIMENSION = 32
COLOURS = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230), "yellow": (230, 230, 20)}
TONES = {"low": 200.0, "middle": 800.0, "high": 3000.0}


class Sensible(Encoder):
    """Vectors of colour (image, video), pitch (audio) or the words for both (text), in one space."""

    window_seconds = 2.0
    batch_budget = 8

    def __init__(self, modality: Modality) -> None:
        self.modality = modality  # type: ignore[misc]
        self.decode_options = {"audio": {"sampling_rate": 8000}, "video": {"frames": 2}}.get(modality, {})
        self.batches: list[int] = []
        self.before_forward: Callable[[], object] | None = None

    @property
    def dimension(self) -> int:
        return DIMENSION

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        return [Prepared((item, role)) for item in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        if self.before_forward is not None:
            self.before_forward()
        self.batches.append(len(batch))
        descriptions = [self._description(*item.data) for item in batch] if self.modality == "image" else None
        return Encoded(np.stack([self._vector(*item.data) for item in batch]), descriptions)

    def identity(self) -> Mapping[str, object]:
        return {"family": "sensible", "modality": self.modality}

    def _description(self, item: Any, role: Role) -> str:
        seen = np.asarray(item, np.float32).mean(axis=(0, 1))
        return "mostly " + min(COLOURS, key=lambda name: float(np.abs(seen - COLOURS[name]).sum()))

    def _vector(self, item: Any, role: Role) -> np.ndarray:
        vector = np.full(DIMENSION, 1e-3, np.float32)
        if self.modality == "text":
            for place, (_, colour) in enumerate(COLOURS.items()):
                if list(COLOURS)[place] in item:
                    vector[:3] += np.array(colour) / 255
            for place, name in enumerate(TONES):
                vector[3 + place] += name in item
            for word in item.split():
                vector[6 + sum(word.encode()) % (DIMENSION - 8)] += 0.2
            vector[-2 if role == "query" else -1] += 0.3
        elif self.modality == "image":
            vector[:3] += np.asarray(item, np.float32).mean(axis=(0, 1)) / 255
        elif self.modality == "audio":
            spectrum = np.abs(np.fft.rfft(item.samples))
            pitch = np.fft.rfftfreq(len(item.samples), 1 / item.sampling_rate)[spectrum.argmax()]
            vector[3 + np.argmin([abs(np.log(pitch + 1) - np.log(tone)) for tone in TONES.values()])] += 1
        else:
            vector[:3] += item.frames.astype(np.float32).mean(axis=(0, 1, 2)) / 255
        return vector


def new_space() -> Space:
    """A new space without a cache of its own, so that what is computed can be counted."""
    encoders = {modality: Sensible(modality) for modality in ("text", "image", "audio", "video")}
    return Space("sensible", encoders, cache_size=0, recipe=(new_space, (), {}))


def picture(colour: str, size: int = 24) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), COLOURS[colour]).save(buffer, "PNG")
    return buffer.getvalue()


def sound(*tones: str, seconds: float = 1.0, rate: int = 8000) -> bytes:
    """A WAV file in which each tone lasts `seconds`."""
    times = np.arange(int(seconds * rate)) / rate
    samples = np.concatenate([0.5 * np.sin(2 * np.pi * TONES[tone] * times) for tone in tones])
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def film(colour: str, seconds: float = 1.0) -> bytes:
    """An MP4 file of one colour."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=8)
        stream.width = stream.height = 48
        stream.pix_fmt = "yuv420p"
        for _ in range(int(seconds * 8)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 48, 3), COLOURS[colour], np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


MAKERS: dict[str, Callable[..., bytes]] = {"image": picture, "audio": sound, "video": film}
NAMES = {"image": list(COLOURS), "audio": list(TONES), "video": list(COLOURS)}


def write_files(folder: Path) -> dict[str, list[Path]]:
    """Three files of each kind, without suffixes, named after what they hold."""
    made: dict[str, list[Path]] = {}
    for kind, maker in MAKERS.items():
        for name in NAMES[kind][:3]:
            path = folder / f"{kind}-{name}"
            path.write_bytes(maker(name))
            made.setdefault(kind, []).append(path)
    return made


def embedded(model: Any, text: str, *media: Any) -> list[list[float]]:
    """What a worker process is asked for: a text as query and as document, images, and a recording at the end."""
    *images, recording = media
    texts = [model.get_query_embedding(text), model.get_text_embedding(text)]
    return [*texts, *model.get_image_embedding_batch(images), model.get_audio_embedding(recording)]
