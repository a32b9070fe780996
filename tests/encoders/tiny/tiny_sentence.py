"""Tiny models of the families `sentence` and `static`, and the computations that their authors document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tiny_text import (
    LLAMA,
    MODERN,
    POSITIONS,
    SEED,
    T5,
    bpe_tokenizer,
    long_text,
    save_model,
    texts,
    unigram_tokenizer,
    wordpiece_tokenizer,
)

from senseweave.testing import Case


def save_sentence_model(
    folder: Path,
    *,
    pooling: str = "mean",
    include_prompt: bool = True,
    dense: int | None = None,
    prompts: Mapping[str, str] | None = None,
    name_or_path: str = "",
    kind: str = "Bert",
    tokenizer: Callable[[Path], Any] = wordpiece_tokenizer,
    normalize: bool = True,
    **config: Any,
) -> str:
    """Save a tiny sentence-transformers model, as its own `save` writes it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    base = folder.parent / f"{folder.name}-base"
    save_model(base, kind, tokenizer, **config)
    modules: list[Any] = [Transformer(str(base)), Pooling(32, pooling, include_prompt=include_prompt)]
    if dense:
        torch.manual_seed(SEED)
        modules.append(Dense(32, dense, activation_function=torch.nn.Tanh()))
    if normalize:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, prompts=dict(prompts or {}), device="cpu").save(str(folder))
    return str(folder)


def by_sentence_transformers(prompts: Mapping[str, str]) -> Callable[[Path, Sequence[str], str], np.ndarray]:
    """sentence-transformers' own `encode`, one text at a time, with the prompt that the authors state for the role."""

    def reference(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        return np.stack([model.encode([{"text": text}], prompt=prompts.get(role, ""))[0] for text in items])

    return reference


def save_static(folder: Path, *, kind: str) -> str:
    """Save a tiny static model, as model2vec or sentence-transformers writes it."""
    tokenizer = wordpiece_tokenizer(folder)._tokenizer
    vectors = np.random.default_rng(SEED).normal(size=(tokenizer.get_vocab_size(), 16)).astype(np.float32)
    if kind == "model2vec":
        from model2vec import StaticModel

        StaticModel(vectors, tokenizer, max_length=POSITIONS).save_pretrained(folder)
    else:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        module = StaticEmbedding(tokenizer, embedding_weights=vectors)
        SentenceTransformer(modules=[module], device="cpu").save(str(folder))
    return str(folder)


def by_model2vec(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """model2vec's own `encode`."""
    from model2vec import StaticModel

    return StaticModel.from_pretrained(str(folder)).encode(list(items), use_multiprocessing=False)


def static_embedding(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
    """sentence-transformers' StaticEmbedding by itself, whose tokenizer takes strings for text."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(list(items))


def sentence(
    name: str, *, folder_name: str | None = None, expected: Mapping[str, str] | None = None, **how: Any
) -> Case:
    """A sentence-transformers case.

    Args:
        name: Name of the case.
        folder_name: The folder is called so, for models whose prompts are found by name.
        expected: Prompts by role that must be in effect.
        **how: Passed to `save_sentence_model`.
    """
    prompts = dict(expected or {})
    poison = how.pop("poison", "word_embeddings.weight")
    missing = how.pop("missing", "layer.1.attention.self.query.weight")
    missing_as = how.pop("missing_as", None)

    def make(folder: Path) -> str:
        return save_sentence_model(folder / folder_name if folder_name else folder, **how)

    def reference(folder: Path, items: Sequence[str], role: str) -> np.ndarray:
        return by_sentence_transformers(prompts)(folder / folder_name if folder_name else folder, items, role)

    return Case(
        id=name,
        modality="text",
        make=make,
        items=texts,
        reference=reference,
        prompts=prompts,
        long_item=long_text,
        poison=poison,
        missing=missing,
        missing_as=missing_as,
    )


WEB_SEARCH = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
BGE_QUERY = "Represent this sentence for searching relevant passages: "

SENTENCE_FAMILIES: list[Case] = [
    sentence("sentence-sbert"),
    sentence("sentence-dense-cls", pooling="cls", dense=24),
    sentence(
        "sentence-saved-prompts",
        prompts={"query": "query: ", "document": "passage: "},
        expected={"query": "query: ", "document": "passage: "},
    ),
    sentence("sentence-max-mean", pooling=("max", "mean"), normalize=False),
    sentence(
        "sentence-e5-by-name",
        folder_name="multilingual-e5-small",
        kind="XLMRoberta",
        tokenizer=unigram_tokenizer,
        max_position_embeddings=66,
        expected={"query": "query: ", "document": "passage: "},
    ),
    sentence(
        "sentence-embeddinggemma",
        kind="Gemma3Text",
        tokenizer=bpe_tokenizer,
        dense=24,
        head_dim=8,
        use_bidirectional_attention=True,
        sliding_window=16,
        prompts={"query": "task: search result | query: ", "document": "title: none | text: ", "STS": "task: x: "},
        expected={"query": "task: search result | query: ", "document": "title: none | text: "},
        **LLAMA,
    ),
    sentence(
        "sentence-nomic-by-name",
        folder_name="nomic-embed-text-v1.5",
        kind="NomicBert",
        missing="layers.1.attn.out_proj.weight",
        missing_as="layers.1.self_attn.o_proj.weight",
        expected={"query": "search_query: ", "document": "search_document: "},
    ),
    sentence("sentence-modernbert", kind="ModernBert", **MODERN),
    sentence(
        "sentence-qwen3",
        kind="Qwen3",
        tokenizer=bpe_tokenizer,
        pooling="lasttoken",
        head_dim=8,
        left=True,
        prompts={"query": WEB_SEARCH, "document": ""},
        expected={"query": WEB_SEARCH},
        **LLAMA,
    ),
    sentence(
        "sentence-instructor",
        folder_name="instructor-base",
        include_prompt=False,
        kind="T5",
        tokenizer=unigram_tokenizer,
        expected={
            "query": "Represent the question for retrieving supporting documents: ",
            "document": "Represent the document for retrieval: ",
        },
        **T5,
    ),
    Case(
        id="static-model2vec",
        half_types=frozenset(),
        modality="text",
        make=lambda folder: save_static(folder, kind="model2vec"),
        items=texts,
        reference=by_model2vec,
        long_item=long_text,
        poison="embeddings",
        missing="embeddings",
    ),
    Case(
        id="static-embedding",
        half_types=frozenset(),
        modality="text",
        make=lambda folder: save_static(folder, kind="sentence-transformers"),
        items=texts,
        reference=static_embedding,
        poison="embedding.weight",
        missing="embedding.weight",
    ),
    sentence("sentence-bge-by-name", folder_name="bge-small-en-v1.5", pooling="cls", expected={"query": BGE_QUERY}),
]
