"""Universal Sentence Encoder, multilingual v3: sentences of sixteen languages as vectors of one space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.parts.starter_weights import UNIVERSAL_SENTENCE
from senseweave.encoders.runtime.pinned_weights import FoundWeights, PinnedWeights
from senseweave.encoders.runtime.tokenization import why_unread
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.extras import require
from senseweave.media import Modality

LANGUAGES: Final = (
    "ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh", "zh-TW",
)  # fmt: skip
"""What the model was trained on (Yang et al. 2019, arXiv 1907.04307, section 4)."""
DIMENSION: Final = 512
NGRAMS: Final = ((2, 0), (3, 1), (5, 2))
"""Tokens that each of the three convolutions sees, and how many of them come before its place."""
MARKS: Final = 2
"""Tokens around a text: its beginning and its end."""
WEIGHTS, VOCABULARY = UNIVERSAL_SENTENCE.files


class UniversalSentence(Encoder):
    """Texts through the convolutional Universal Sentence Encoder, on the CPU.

    Every text is computed by itself: tokens of a batch stand in one row, and no convolution sees across the border of
    two texts.
    """

    modality: ClassVar[Modality] = "text"
    batch_budget: int
    max_length: int

    def __init__(
        self, weights: PinnedWeights = UNIVERSAL_SENTENCE, *, max_length: int = 256, batch_tokens: int = 2048
    ) -> None:
        """Describe the encoder; its weights are checked and read on first use.

        Args:
            weights: Network and vocabulary.
            max_length: Tokens of a text that are read, the two around it included. The model has no limit; a vector
                of a long text says little of any part of it.
            batch_tokens: Tokens per batch.
        """
        self.weights = weights
        self.max_length = max_length
        self.batch_budget = batch_tokens
        self._found: Lazy[FoundWeights] = Lazy(weights.find)
        self._tokenizer: Lazy[Any] = Lazy(self._load_tokenizer)
        self._network: Lazy[Network] = Lazy(self._load_network)
        self.parts = (self._found, self._tokenizer, self._network)

    @property
    def dimension(self) -> int:
        """The width of the last layer, 512."""
        return DIMENSION

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Split into word pieces between the marks of beginning and end, counting what the limit removes."""
        tokenizer = self._tokenizer()
        kept = max(0, self.max_length - MARKS)
        begin, end = tokenizer.bos_id(), tokenizer.eos_id()
        prepared = []
        for ids in tokenizer.encode(list(items), out_type=int):
            data = [begin, *ids[:kept], end]
            dropped = max(0, len(ids) - kept)
            error = why_unread(len(data), dropped, self.max_length, lambda: MARKS)
            prepared.append(Prepared(data, cost=len(data), dropped=dropped, error=error))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Compute the vectors of texts."""
        return Encoded(self._network().encode([item.data for item in batch]))

    def identity(self) -> Mapping[str, object]:
        """Return checksums and length."""
        files = dict(self.weights.files)
        return {"family": "universal sentence encoder", "checkpoint": files, "max_length": self.max_length}

    def _load_tokenizer(self) -> Any:
        library = require("sentencepiece", extra="multilingual", feature="the multilingual text encoder")
        return library.SentencePieceProcessor(model_proto=self._found().read(VOCABULARY))

    def _load_network(self) -> Network:
        with np.load(self._found().path(WEIGHTS), allow_pickle=False) as stored:
            return Network({name: stored[name] for name in stored.files})


class Network:
    """The loaded network, with the names of the package's `weights.npz`.

    Token vectors are kept as bytes, with a scale and an offset for each of the `chunks` into which ids are dealt out.
    """

    def __init__(self, stored: Mapping[str, np.ndarray]) -> None:
        """Take the arrays of `weights.npz`."""
        self.chunks = len(stored["scale"])
        self.tokens = np.stack([stored[f"q{number + 1}"] for number in range(self.chunks)])
        self.layers = {name: array for name, array in stored.items() if not name.startswith("q")}
        for name in ("proj", "proj_b", "ln_g", "ln_b"):  # of the three convolutions, side by side
            together = np.concatenate([stored[f"{name}{width}"] for width, _ in NGRAMS], axis=-1)
            self.layers[f"{name}_all"] = together
        self.epsilon = np.float32(stored["eps"])

    def encode(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Compute the vectors of texts, given as token ids, shape (n, 512), float32, of length 1."""
        layers = self.layers
        lengths = np.array([len(ids) for ids in texts])
        starts = np.cumsum(lengths) - lengths
        embedded = self._look_up(np.concatenate([np.asarray(ids, np.int64) for ids in texts]))
        features = [embedded]
        projected = self._normalize(embedded @ layers["proj_all"] + layers["proj_b_all"], "_all")
        for (width, before), x in zip(NGRAMS, np.split(projected, len(NGRAMS), axis=1), strict=True):
            window = window_places(starts, lengths, width, before)
            once = x + rectify(gather(x, window) @ layers[f"w1_{width}"] + layers[f"b1_{width}"])
            features.append(once + rectify(gather(once, window) @ layers[f"w2_{width}"] + layers[f"b2_{width}"]))
        states = self._normalize(np.concatenate(features, axis=1), "")
        # The projection is linear: it is applied to the sums over tokens, which are far fewer.
        count = lengths.astype(np.float32)[:, None]
        x = (np.add.reduceat(states, starts, axis=0) @ layers["cnn_W"] + count * layers["cnn_b"]) / np.sqrt(count)
        first = rectify(x @ layers["d0"])
        second = rectify(x @ layers["p1"] + first @ layers["d1"])
        third = rectify(second @ layers["d2"])
        last = np.tanh(second @ layers["p3"] + third @ layers["d3"])
        vectors: np.ndarray = last / np.linalg.norm(last, axis=1, keepdims=True)
        return vectors

    def _look_up(self, ids: np.ndarray) -> np.ndarray:
        chunk = ids % self.chunks
        rows = self.tokens[chunk, ids // self.chunks].astype(np.float32)
        vectors: np.ndarray = rows * self.layers["scale"][chunk, None] + self.layers["lo"][chunk, None]
        return vectors

    def _normalize(self, x: np.ndarray, layer: str) -> np.ndarray:
        """Return the layer norm of rows."""
        centered = x - x.mean(axis=1, keepdims=True)
        variance = (centered * centered).mean(axis=1, keepdims=True)
        gain, bias = self.layers[f"ln_g{layer}"], self.layers[f"ln_b{layer}"]
        normed: np.ndarray = centered / np.sqrt(variance + self.epsilon) * gain + bias
        return normed


def window_places(starts: np.ndarray, lengths: np.ndarray, width: int, before: int) -> np.ndarray:
    """Return which rows a convolution sees at each token, shape (tokens, width); the row past all is for no token."""
    total = int(lengths.sum())
    places = np.arange(total)[:, None] + np.arange(-before, width - before)
    first = np.repeat(starts, lengths)[:, None]
    last = np.repeat(starts + lengths, lengths)[:, None]
    return np.where((places >= first) & (places < last), places, total)


def gather(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the rows at places side by side, shape (tokens, width * channels); zeros for the row past all."""
    padded = np.concatenate([x, np.zeros((1, x.shape[1]), x.dtype)])
    side_by_side: np.ndarray = padded[places].reshape(len(places), -1)
    return side_by_side


def rectify(x: np.ndarray) -> np.ndarray:
    """Return the positive part."""
    positive: np.ndarray = np.maximum(x, 0)
    return positive
