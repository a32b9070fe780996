"""A space that also returns the vectors of single tokens."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from senseweave.encoders.base import Prepared
from senseweave.encoders.families.tokens import Layer, TokenText, TokenVectors, check_layer
from senseweave.encoders.runtime.failures import computing
from senseweave.errors import EncodingError, MediaError, TruncationWarning
from senseweave.media import Text
from senseweave.spaces.engine import whole_characters
from senseweave.spaces.space import Space


class TokenSpace(Space):
    """A space of `senseweave.load("tokens:...")`: tokens with their spans and vectors, and pooled vectors of texts."""

    def embed_tokens(self, texts: Sequence[str], *, layer: Layer | None = None) -> list[TokenVectors]:
        """Return every token of every text with its span and its vector.

        Args:
            texts: The texts; each is taken as text, even if it looks like a path or URL.
            layer: `matrix` for the context-free rows of the embedding matrix, or a layer by number: 0 is the input of
                the first, -1 the output of the last; None takes the layer with which the space was loaded.

        Returns:
            An entry for each text, in order.

        Raises:
            TypeError: If `texts` is a single string, or an item is not a string.
            MediaError: For the first text that is no Unicode, or of which the model would read nothing.
            ModelError: If the model has no fast tokenizer.
            ValueError: If there is no such layer.

        Warns:
            TruncationWarning: If texts are longer than the model reads.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            msg = "embed_tokens takes a list of str; put a single text into a list"
            raise TypeError(msg)
        encoder = self._token_encoder
        if encoder.proof is not None:
            encoder.proof.load()
        chosen = encoder.layer if layer is None else layer
        check_layer(chosen)
        media = [Text(text) for text in texts]
        prepared = encoder.prepare_tokens([whole_characters(text) for text in media])
        for at, item in enumerate(prepared):
            if item.error is not None and item.dropped:
                raise MediaError(media[at].source, item.error).at(at, len(media))
        vectors: dict[int, np.ndarray] = {}
        full = [index for index, item in enumerate(prepared) if item.error is None]
        for places in _batches([prepared[index] for index in full], encoder.batch_budget):
            positions = [full[place] for place in places]
            with computing(encoder):
                batch = encoder.forward_tokens([prepared[index] for index in positions], chosen)
            vectors.update(zip(positions, batch, strict=True))
        for index in set(range(len(prepared))).difference(full):
            vectors[index] = np.zeros((0, encoder.dimension), np.float32)
        if not all(np.isfinite(rows).all() for rows in vectors.values()):
            msg = (
                f"{self.name} returned token vectors that are not finite; a lower precision may overflow: "
                "try dtype='float32'"
            )
            raise EncodingError(msg)
        _warn_of_truncation([item.dropped for item in prepared], encoder.max_length)
        return [
            TokenVectors(
                text=text,
                tokens=encoder.token_names(item.data["input_ids"]),
                spans=tuple((int(start), int(end)) for start, end in item.data["offset_mapping"]),
                special=np.asarray(item.data["special_tokens_mask"], dtype=bool),
                vectors=vectors[index],
                layer=chosen,
                dropped=item.dropped,
            )
            for index, (text, item) in enumerate(zip(texts, prepared, strict=True))
        ]

    def embedding_matrix(self) -> np.ndarray:
        """Return a copy of the model's input embeddings, shape (vocabulary, width), float32."""
        return self._token_encoder.embedding_matrix()

    @property
    def _token_encoder(self) -> TokenText:
        encoder = self.encoder("text")
        assert isinstance(encoder, TokenText)
        return encoder


def _batches(items: Sequence[Prepared], budget: int) -> Iterator[list[int]]:
    """Yield positions in batches of a bucket and similar length, whose padded sum stays within the budget."""
    batch: list[int] = []
    for position in sorted(range(len(items)), key=lambda i: -items[i].cost):
        full = batch and items[batch[0]].cost * (len(batch) + 1) > budget
        if full or (batch and items[batch[0]].bucket != items[position].bucket):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def _warn_of_truncation(dropped: Sequence[int], limit: int | None) -> None:
    cut = sum(1 for count in dropped if count)
    if cut:
        warnings.warn(
            f"{cut} of {len(dropped)} texts are longer than the {limit} tokens that the model reads; "
            f"{sum(dropped)} tokens have no vector",
            TruncationWarning,
            stacklevel=3,
        )
