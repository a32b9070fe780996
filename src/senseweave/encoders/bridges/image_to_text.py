"""Bridges from images to a text space by text: captions that a model writes, and text that is read in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, ClassVar, Protocol

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.bridges.greedy import Greedy
from senseweave.encoders.observation import Observation
from senseweave.encoders.parts.backbone import Backbone, class_for, image_processor, tokenizer
from senseweave.encoders.parts.preparation import ImagePreparation
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.encoders.runtime.torch_runtime import Lazy, Loadable
from senseweave.extras import require
from senseweave.media import Modality
from senseweave.media.reading.ocr import LEAST_SCORE, LineReader

NO_CAPTION = "a picture"
NO_TEXT = "a picture without text"
"""Embedded where no text is found, so that such a picture is found as what it is."""
CAPTION_TOKENS = 40
CAPTIONERS = {
    "blip": "BlipForConditionalGeneration",
    "git": "GitForCausalLM",
    "vision-encoder-decoder": "VisionEncoderDecoderModel",
}
"""Models of transformers that write about an image with no prompt (TrOCR is a vision-encoder-decoder as well)."""


class Writer(Protocol):
    """What turns an image into text."""

    @property
    def deterministic(self) -> bool:
        """Whether equal images have equal texts, from run to run and with any number of threads."""

    def write(self, image: Any) -> str:
        """Return text about or in a PIL image, or an empty string."""

    def identity(self) -> Mapping[str, object]:
        """Return everything that decides the texts, for the fingerprint."""

    def load(self) -> None:
        """Load the model now."""

    def close(self) -> None:
        """Free the model."""


class ImageToText(Encoder):
    """Images in a text space: the text that a writer finds for an image, embedded as text.

    Text that is longer than the text encoder reads is cut into parts that fit, and their unit vectors are averaged.
    """

    modality: ClassVar[Modality] = "image"
    batch_budget = 4
    empty: ClassVar[str]
    """What is embedded where the writer finds nothing."""

    def __init__(self, writer: Writer, text: Encoder) -> None:
        """Put a writer in front of a text encoder."""
        self.writer = writer
        self.text = text
        self.parts = (writer, text)

    @property
    def dimension(self) -> int:
        """The dimension of the text space."""
        return self.text.dimension

    @property
    def deterministic(self) -> bool:
        """Whether the writer writes the same about equal images every time."""
        return self.writer.deterministic

    def prepare(self, items: Sequence[Any], role: Role) -> list[Prepared]:
        """Pass the images on; they are read in `forward`, one at a time, so that no batch changes a text."""
        return [Prepared(image) for image in items]

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Write, and embed what was written."""
        texts = [self.writer.write(image.data).strip() for image in batch]
        vectors = np.stack([encode_whole(self.text, text or self.empty) for text in texts])
        return Encoded(vectors, texts)

    def observe(self, item: Any, tags: int) -> Observation:
        """Return what is written about or in the image."""
        return Observation(text=self.writer.write(item).strip())

    def identity(self) -> Mapping[str, object]:
        """Return writer and text encoder."""
        return {
            "bridge": type(self).__name__,
            "writer": dict(self.writer.identity()),
            "text": dict(self.text.identity()),
        }


class Caption(ImageToText):
    """Images in a text space by the captions that a model writes for them."""

    empty = NO_CAPTION


class OCR(ImageToText):
    """Images in a text space by the text in them: scans, screenshots, slides, signs."""

    empty = NO_TEXT


class Captioner(Loadable):
    """An image-to-text model of transformers, decoded greedily, so that equal images have equal captions."""

    def __init__(
        self,
        name: str,
        *,
        device: str | None = None,
        dtype: str | None = None,
        revision: str | None = None,
        max_new_tokens: int = CAPTION_TOKENS,
    ) -> None:
        """Describe the model.

        Args:
            name: Hub id or local folder, for example `Salesforce/blip-image-captioning-base`.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`.
            revision: Of a hub model.
            max_new_tokens: Where a caption ends at the latest.

        Raises:
            ModelError: If the model is of a kind that needs a prompt, or writes nothing.
        """
        checkpoint = resolve(name, revision=revision)
        self.max_new_tokens = max_new_tokens
        self._backbone = Backbone(
            checkpoint,
            class_for(checkpoint, CAPTIONERS, "caption"),
            extra="image",
            device=device,
            dtype=dtype,
            unused=("encoder.pooler.",),
        )
        self._generate = Greedy(self._backbone, max_new_tokens)
        self._preparation: Lazy[ImagePreparation] = Lazy(lambda: ImagePreparation(image_processor(checkpoint, "image")))
        self._tokenizer: Lazy[Any] = Lazy(lambda: tokenizer(checkpoint, "image"))
        self.parts = (self._preparation, self._tokenizer, self._backbone)

    @property
    def deterministic(self) -> bool:
        """Whether equal images have equal captions with any number of threads; not in half types."""
        return self._generate.deterministic

    def write(self, image: Any) -> str:
        """Write a caption."""
        torch = require("torch", extra="image")
        pixels = torch.from_numpy(self._preparation().image(image)["pixel_values"][None])
        tokens = self._generate({"pixel_values": pixels})
        return str(self._tokenizer().decode(tokens, skip_special_tokens=True)).strip()

    def identity(self) -> Mapping[str, object]:
        """Return model and length."""
        return {"writer": "transformers", "model": self._backbone.identity(), "max_new_tokens": self.max_new_tokens}


class RapidOcr(Loadable):
    """Text recognition by RapidOCR, whose weights come with its package; see `senseweave.media.reading.ocr`."""

    def __init__(self, *, least_score: float = LEAST_SCORE) -> None:
        """Describe the engine.

        Args:
            least_score: Lines that the engine is less sure of are left out; its own default.
        """
        self.least_score = least_score
        self._reader: Lazy[LineReader] = Lazy(lambda: LineReader(least_score), survives_fork=False)
        self.parts = (self._reader,)

    @property
    def deterministic(self) -> bool:
        """True: an image is read by itself, and ONNX Runtime adds in the same order with any number of threads."""
        return True

    def write(self, image: Any) -> str:
        """Return the lines of text in an image, from top to bottom."""
        lines, _ = self._reader().lines(image)
        return "\n".join(lines)

    def identity(self) -> Mapping[str, object]:
        """Return package, version and threshold."""
        require("rapidocr", extra="ocr", feature="reading text in images")
        return {"writer": "rapidocr", "version": version("rapidocr"), "least_score": self.least_score}


def encode_whole(encoder: Encoder, text: str) -> np.ndarray:
    """Embed a text of any length: what is too long is halved at a space, and the parts' unit vectors are averaged.

    Args:
        encoder: A text encoder, whose `prepare` counts what it would drop.
        text: Not empty.

    Returns:
        Shape (dimension,), float32, of length 1.
    """
    parts = [encoder.prepare([part], "document")[0] for part in _fitting(encoder, text)]
    rows = np.concatenate([encoder.forward([part]).vectors for part in parts])
    mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
    unit: np.ndarray = (mean / np.linalg.norm(mean)).astype(np.float32)
    return unit


def _fitting(encoder: Encoder, text: str) -> list[str]:
    words = text.split()
    if len(words) < 2 or not encoder.prepare([text], "document")[0].dropped:
        return [text]
    middle = len(words) // 2
    return [*_fitting(encoder, " ".join(words[:middle])), *_fitting(encoder, " ".join(words[middle:]))]
