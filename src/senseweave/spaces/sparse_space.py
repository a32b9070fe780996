"""Sparse spaces (SPLADE): vectors with a weight for each word of a vocabulary, most of them 0."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import numpy as np

from senseweave.concurrency import in_thread
from senseweave.encoders.base import Role
from senseweave.encoders.detection import Signs, read_signs
from senseweave.encoders.refusals import find_scorer_kind
from senseweave.encoders.runtime.checkpoint import CONFIG_PATTERNS, SETTINGS, resolve
from senseweave.errors import EncodingError, MediaError, ModelError, TruncationWarning, VectorError
from senseweave.extras import require
from senseweave.forking import RLock
from senseweave.media import Media, Modality, Text
from senseweave.media.collecting import as_media
from senseweave.progress import Counter
from senseweave.redaction import quoted
from senseweave.spaces.batch import check_choices
from senseweave.spaces.engine import OnError, whole_characters
from senseweave.spaces.recorded import remember

if TYPE_CHECKING:
    from senseweave.encoders.rerankers.sparse import SparseModel, SparseRows

COMPARED: Final = ("dot", "cosine")
"""Similarities that an index can rank by."""

_live: WeakValueDictionary[str, SparseSpace] = WeakValueDictionary()
_lock = RLock()


class SparseSpace:
    """A sparse encoder of sentence-transformers (`SparseEncoder`): a vector has a weight for each word of a vocabulary.

    Created by `senseweave.load_sparse`. An index ranks by it beside the vectors of a dense space:
    `Index("my-index", spaces=["starter", "my-splade"])`. Safe to use from several threads; pickled by name and options.
    """

    modalities: tuple[Modality, ...] = ("text",)

    def __init__(self, name: str, model: SparseModel, options: Mapping[str, Any]) -> None:
        """Wrap a sparse model.

        Args:
            name: The name of the space.
            model: What computes; loaded when it is first used.
            options: Those with which `load_sparse` creates it again.
        """
        self.name = name
        self.model = model
        self.options = dict(options)

    @property
    def dimension(self) -> int:
        """The length of the vectors, most often the size of the vocabulary; loads the model."""
        return self.model.dimension

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that are equal for spaces whose vectors can be compared, and for no others."""
        return self.model.fingerprint

    @cached_property
    def similarity_fn(self) -> str:
        """By what the model compares its vectors: `dot` unless it was saved with another."""
        return str(self.model.checkpoint.json(SETTINGS).get("similarity_fn_name") or "dot")

    def embed_text(
        self,
        texts: Sequence[str | Text],
        *,
        role: Role = "document",
        on_error: OnError = "raise",
        progress: Counter | None = None,
    ) -> Any:
        """Embed strings; each is taken as text, even if it looks like a path or URL.

        Args:
            texts: The texts.
            role: `query` or `document`, which a model may compute by different modules.
            on_error: `raise`, or `skip` to leave out texts that cannot be embedded.
            progress: Called with (texts done, texts in all).

        Returns:
            A `scipy.sparse.csr_array`, shape (n, dimension), float32; a row without any weight matches nothing.

        Raises:
            TypeError: If `texts` is a single string, or an item is not a string.
            MediaError: With `on_error="raise"`, for the first text that cannot be embedded.

        Warns:
            TruncationWarning: If texts are longer than the model reads.
        """
        check_choices(role, on_error)
        if isinstance(texts, (str, bytes, Path, Media)) or not isinstance(texts, Iterable):
            msg = f"embed_text takes a list of items; put the single {type(texts).__name__} into a list"
            raise TypeError(msg)
        media = [as_media("text", text) for text in texts]
        words, failed = [], {}
        for at, item in enumerate(media):
            try:
                words.append(whole_characters(item))
            except MediaError as error:
                words.append("")
                failed[at] = error
        rows = self.encode(words, role)
        for at, reason in rows.errors.items():
            failed.setdefault(at, VectorError(media[at].source, reason))
        if failed and on_error == "raise":
            first = min(failed)
            raise failed[first].at(first, len(media))
        if progress is not None:
            progress(len(media), len(media))
        return rows.matrix[[at for at in range(len(media)) if at not in failed]]

    def encode(self, texts: Sequence[str], role: Role = "document") -> SparseRows:
        """Return the vectors of strings, with an error for each that has none.

        Warns:
            TruncationWarning: If texts are longer than the model reads.
        """
        rows = self.model.embed_rows(texts, role)
        if cut := sum(1 for count in rows.dropped if count):
            warnings.warn(
                f"{self.name}: {cut} of {len(texts)} texts are longer than the model reads; "
                f"{sum(rows.dropped)} tokens are not in the vectors",
                TruncationWarning,
                stacklevel=3,
            )
        return rows

    async def aembed_text(
        self, texts: Sequence[str | Text], *, role: Role = "document", on_error: OnError = "raise"
    ) -> Any:
        """Like `embed_text`, off the event loop."""
        return await in_thread(self.embed_text, texts, role=role, on_error=on_error)

    def similarity(self, a: Any, b: Any) -> np.ndarray:
        """Return the similarity of every row of `a` with every row of `b`, shape (len(a), len(b)), float32.

        Args:
            a: A sparse array or matrix, or an array, shape (n, dimension).
            b: Likewise.

        Raises:
            EncodingError: If the model compares by a distance, for which `senseweave.load_reranker` is made.
        """
        if self.similarity_fn not in COMPARED:
            msg = f"{self.name} compares by {self.similarity_fn}; senseweave.load_reranker gives its scores"
            raise EncodingError(msg)
        left, right = self.compared(a), self.compared(b)
        return np.asarray((left @ right.T).toarray(), np.float32)

    def compared(self, rows: Any) -> Any:
        """Return rows whose dot products are the model's similarities: of length 1 where it compares by the cosine."""
        sparse = require("scipy.sparse", extra="text")
        matrix = sparse.csr_array(rows, dtype=np.float32)
        if self.similarity_fn != "cosine":
            return matrix
        norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1))).reshape(-1, 1)
        return sparse.csr_array(matrix.multiply(1 / np.where(norms > 0, norms, 1)), dtype=np.float32)

    def info(self) -> dict[str, Any]:
        """Return what the space is, as plain values; loads the model."""
        return {
            "name": self.name,
            "kind": "sparse",
            "modalities": list(self.modalities),
            "dimension": self.dimension,
            "fingerprint": self.fingerprint,
            "similarity": self.similarity_fn,
        }

    def load(self) -> None:
        """Load the model now, so that the first request is as quick as later requests."""
        self.model.load()

    def close(self) -> None:
        """Free the model; the next use loads it again."""
        self.model.close()

    def __enter__(self) -> SparseSpace:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SparseSpace({quoted(self.name)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(load_sparse, **self.options), (self.name,)


def load_sparse(name: str | os.PathLike[str], **options: Any) -> SparseSpace:
    """Load a sparse encoder (SPLADE) of sentence-transformers.

        sparse = sw.load_sparse("naver/splade-v3")
        index = sw.Index("my-index", spaces=["starter", sparse])     # ranks by both
        sparse.embed_text(["a dog"], role="query")                   # a scipy.sparse.csr_array

    Args:
        name: A hub id or a local folder.
        **options: `device`, `dtype`, `revision`, `max_length` (tokens of a text), `batch_tokens`, `prompts` (by role;
            what the folder was saved with if left out) and `trust_remote_code`.

    Returns:
        The space. Equal arguments return the same space while it is in use anywhere and its files stay as they are.
        Weights are loaded on first use.

    Raises:
        ModelError: If there is no such model, or it is no sparse encoder.
        TypeError: If there is no such option, or a value has the wrong type.
        ValueError: If a value is impossible.
    """
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if not isinstance(name, str) or not name.strip():
        msg = f"the name of a model must be a string such as 'naver/splade-v3', not {name!r}"
        raise TypeError(msg)
    name = os.path.abspath(name) if os.path.isdir(name) else name
    if "kind" in options:
        msg = "load_sparse has no option kind; senseweave.load_reranker has it"
        raise TypeError(msg)
    key = repr((name, sorted(options.items())))
    with _lock:
        space = _live.get(key)
        if space is None or space.model._files.is_outdated():
            if not _is_sparse(_read_signs(name, options.get("revision"))):
                msg = f"{name} is no sparse encoder (SPLADE); senseweave.load loads models of one vector per text"
                raise ModelError(msg)
            from senseweave.encoders.rerankers.loading import load_scorer
            from senseweave.encoders.rerankers.sparse import SparseModel

            model = load_scorer(name, {**options, "kind": "sparse"})
            assert isinstance(model, SparseModel)
            space = _live[key] = SparseSpace(name, model, options)
    remember(name, options)
    return space


def is_sparse(name: str, revision: str | None = None) -> bool:
    """Return whether a hub id or local folder is a sparse encoder that its files name; False if there is none."""
    try:
        return find_scorer_kind(_read_signs(name, revision)) == "sparse"
    except ModelError:
        return False


def _read_signs(name: str, revision: str | None) -> Signs:
    return read_signs(name, resolve(name, revision=revision, patterns=CONFIG_PATTERNS, weights=False).folder)


def _is_sparse(signs: Signs) -> bool:
    """Return whether a folder holds a sparse encoder, or a masked language model, which may be a SPLADE of any name."""
    kind = find_scorer_kind(signs)
    return kind == "sparse" or (kind is None and not signs.modules and signs.architecture.endswith("ForMaskedLM"))
