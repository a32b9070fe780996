"""Video by its frames: any image encoder over sampled frames, pooled over time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.observation import MediaDescription, Observation
from senseweave.media import Clip, Modality

FramePooling = Literal["mean", "max", "temporal"]
POOLINGS: tuple[FramePooling, ...] = ("mean", "max", "temporal")
SEGMENTS = 4
"""Parts of a clip over which `temporal` pools."""
FRAMES = 8
WINDOW_SECONDS = 10.0
"""Seconds that the frames of one vector cover; longer video is cut into such segments."""


class FrameVideo(Encoder):
    """Frames sampled evenly by time, embedded as images and pooled into one vector per segment.

    The vectors stay in the image encoder's space, so that texts and images find videos.
    """

    modality: ClassVar[Modality] = "video"
    window_seconds: float
    decode_options: Mapping[str, object]

    def __init__(
        self,
        image: Encoder,
        *,
        pooling: FramePooling = "mean",
        frames: int = FRAMES,
        window_seconds: float = WINDOW_SECONDS,
    ) -> None:
        """Put an image encoder behind a sampler of frames.

        Args:
            image: Embeds the frames.
            pooling: See `pool_frames`.
            frames: Frames per segment.
            window_seconds: Longer video is cut into segments of this length.
        """
        if pooling not in POOLINGS:
            msg = f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}"
            raise ValueError(msg)
        if frames < 1:
            msg = f"frames must be at least 1, not {frames}"
            raise ValueError(msg)
        self.image = image
        self.pooling = pooling
        self.frames = frames
        self.window_seconds = window_seconds
        self.decode_options = {"frames": frames}
        self.parts = (image,)

    @property
    def dimension(self) -> int:
        """The dimension of the image encoder."""
        return self.image.dimension

    @property
    def reads_role(self) -> bool:
        """Whether the image encoder does."""
        return self.image.reads_role

    @property
    def deterministic(self) -> bool:
        """Whether the image encoder is."""
        return self.image.deterministic

    @property
    def batch_budget(self) -> int:
        """The number of frames in a batch: the budget of the image encoder, and at least one segment."""
        return max(self.image.batch_budget, self.frames)

    def prepare(self, items: Sequence[Clip], role: Role) -> list[Prepared]:
        """Prepare each frame as an image."""
        from PIL import Image

        prepared = []
        for clip in items:
            frames = self.image.prepare([Image.fromarray(frame) for frame in clip.frames], role)
            prepared.append(Prepared((frames, clip.times), cost=len(frames)))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Embed the frames of all segments together, then pool each segment's."""
        vectors, described = self._embed([frame for segment in batch for frame in segment.data[0]])
        rows, descriptions, start = [], [], 0
        for segment in batch:
            frames, times = segment.data
            stop = start + len(frames)
            rows.append(pool_frames(vectors[start:stop], times, self.pooling))
            descriptions.append("; ".join(dict.fromkeys(filter(None, described[start:stop]))))
            start = stop
        return Encoded(np.stack(rows), descriptions if any(descriptions) else None)

    @property
    def observes(self) -> bool:
        """Whether the image encoder does."""
        return self.image.observes

    def observe(self, item: Clip, tags: int) -> Observation:
        """Return the mean of what the image encoder says of each frame, and its texts, each once."""
        from PIL import Image

        seen = [self.image.observe(Image.fromarray(frame), tags) for frame in item.frames]
        mean = MediaDescription("", tuple(seen))
        texts = dict.fromkeys(part.text for part in seen if part.text)
        return Observation(tags=mean.tags[:tags], text="; ".join(texts))

    def identity(self) -> Mapping[str, object]:
        """Return image encoder, pooling, frames and window."""
        return {
            "video": "frames",
            "image": dict(self.image.identity()),
            "pooling": self.pooling,
            "frames": self.frames,
            "window_seconds": self.window_seconds,
        }

    def _embed(self, frames: list[Prepared]) -> tuple[np.ndarray, list[str]]:
        """Run the image encoder within its buckets and budget; return shape (frames, dimension), and descriptions."""
        vectors = np.empty((len(frames), self.dimension), np.float32)
        described = [""] * len(frames)
        buckets: dict[Hashable, list[int]] = {}
        for index, frame in enumerate(frames):
            buckets.setdefault(frame.bucket, []).append(index)
        step = max(1, self.image.batch_budget)
        for indices in buckets.values():
            for start in range(0, len(indices), step):
                chosen = indices[start : start + step]
                encoded = self.image.forward([frames[index] for index in chosen])
                vectors[chosen] = encoded.vectors
                for index, description in zip(chosen, encoded.descriptions or (), strict=False):
                    described[index] = description
        return vectors, described


def pool_frames(vectors: np.ndarray, times: np.ndarray, pooling: FramePooling) -> np.ndarray:
    """Pool the vectors of a segment's frames into one vector.

    Args:
        vectors: Shape (frames, dimension), float32.
        times: Presentation time of each frame in seconds, ascending, shape (frames,).
        pooling: `mean` of the frames' unit vectors (Luo et al. 2021, arXiv 2104.08860, section 3.3, parameter-free);
            `max` of them, dimension by dimension; `temporal`: the means over consecutive quarters of the time that the
            frames span, then their maximum (segmental consensus, Wang et al. 2016, arXiv 1608.00859, section 3.1).

    Returns:
        Shape (dimension,), float32, not normalized.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms > 0, norms, 1)
    pooled: np.ndarray
    if pooling == "max":
        pooled = unit.max(axis=0)
    elif pooling == "temporal":
        span = max(float(times[-1] - times[0]), 1e-9)
        quarters = np.minimum((SEGMENTS * (times - times[0]) / span).astype(int), SEGMENTS - 1)
        pooled = np.stack([unit[quarters == quarter].mean(axis=0) for quarter in np.unique(quarters)]).max(axis=0)
    else:
        pooled = unit.mean(axis=0)
    return pooled.astype(np.float32)
