"""The words in a picture, read by RapidOCR (PP-OCR models on ONNX Runtime), whose weights come with its package."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from senseweave.extras import require
from senseweave.forking import Lock, abandon, forks
from senseweave.media.reading.ocr_regions import find_regions, reading_scale

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST_SCORE: Final = 0.5
"""Lines that the engine is less sure of are left out; its own default."""
BATCH: Final = 6
"""Lines that the engine recognizes at once; its own default."""
LONGEST_SIDE: Final = 4000
"""Pixels; more are scaled down, in `reading_scale` if not in the engine, whose own limit loses small print at half."""
LONGEST_LINE: Final = 100.0
"""Width of a line or picture by its height, above which it is a rule or a pattern, and would take seconds."""


def is_installed() -> bool:
    """Return whether pictures can be read here; nothing is imported."""
    return all(importlib.util.find_spec(module) is not None for module in ("rapidocr", "onnxruntime"))


class LineReader:
    """Reads the lines of text in pictures, one picture at a time.

    Args:
        least_score: Lines that the engine is less sure of are left out.
    """

    def __init__(self, least_score: float = LEAST_SCORE) -> None:
        self.least_score = least_score
        rapidocr = require("rapidocr", extra="ocr", feature="reading text in images")
        parameters = {"Global.text_score": least_score, "Global.log_level": "error", "Rec.rec_batch_num": BATCH}
        parameters["Global.max_side_len"] = LONGEST_SIDE
        self._engine: Any = rapidocr.RapidOCR(params=parameters)
        self._too_thin = require("rapidocr.utils.process_img", extra="ocr").ResizeImgError
        self._nothing_found = require("rapidocr.main", extra="ocr").RapidOCRError
        self._reading = Lock()

    def lines(
        self, image: Image, seconds: float | None = None, least_score: float | None = None
    ) -> tuple[list[str], bool]:
        """Return the lines of text in an image, from top to bottom, and whether these are all of them.

        Args:
            image: Upright.
            seconds: When to stop recognizing the lines that were found; None for no limit.
            least_score: Lines that the engine is less sure of are left out; None for those of this reader.
        """
        end = time.monotonic() + seconds if seconds is not None else None
        if max(image.size) > LONGEST_LINE * min(image.size):  # the engine would enlarge it to millions of pixels
            return [], True
        scale = reading_scale(image)
        if scale < 1:
            image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])  # the engine reads BGR
        crops: list[np.ndarray] = []
        with self._reading:
            for region in find_regions(np.asarray(image.convert("L"))):
                if end is not None and time.monotonic() > end:
                    break
                rows, columns = region.rows, region.columns
                crops += self._detect(pixels[slice(*rows), slice(*columns)], region.own)
            else:
                return self._recognize(crops, end, self.least_score if least_score is None else least_score)
            return self._recognize(crops, end, self.least_score if least_score is None else least_score)[0], False

    def _detect(self, pixels: np.ndarray, own: tuple[int, int]) -> list[np.ndarray]:
        """Return the lines in a part of a picture whose middle is in rows of its own, cut out, from top to bottom."""
        try:
            read, done = self._engine.preprocess_img(np.ascontiguousarray(pixels))
            crops, detected = self._engine.detect_and_crop(read, done)
        # A line of pixels, which is none at all at the size that the engine reads, or a picture without words.
        except (self._too_thin, self._nothing_found):
            return []
        padding, scale = done["padding_1"]["top"], pixels.shape[0] / read.shape[0]
        middles = (detected.boxes[:, :, 1].mean(axis=1) - padding) * scale
        inside = (middles >= own[0]) & (middles < own[1])
        return [crop for crop, is_own in zip(crops, inside, strict=True) if is_own]

    def _recognize(
        self, crops: list[np.ndarray], end: float | None, least_score: float = LEAST_SCORE
    ) -> tuple[list[str], bool]:
        shapes = np.array([crop.shape[1] / max(crop.shape[0], 1) for crop in crops])
        order = [int(at) for at in np.argsort(shapes) if 1 / LONGEST_LINE <= shapes[at] <= LONGEST_LINE]
        found: dict[int, str] = {}
        for at in range(0, len(order), BATCH):
            if end is not None and time.monotonic() > end:
                return [found[number] for number in sorted(found)], False
            some = order[at : at + BATCH]
            upright, _ = self._engine.cls_and_rotate([crops[number] for number in some])
            result = self._engine.recognize_txt(upright)
            lines = zip(some, result.txts, result.scores, strict=True)
            found |= {number: text for number, text, score in lines if score >= least_score and text.strip()}
        return [found[number] for number in sorted(found)], True


_lock = Lock()
_reader: tuple[int, LineReader] | None = None


def line_reader() -> LineReader:
    """Return the reader of this process, whose models are loaded once.

    Raises:
        ImportError: If the extra is missing; the message contains the install line.
    """
    global _reader
    with _lock:
        if _reader is None or _reader[0] != forks():
            abandon(_reader)  # the engine's threads are those of the parent
            _reader = forks(), LineReader()
        return _reader[1]
