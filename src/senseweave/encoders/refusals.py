"""Checkpoints of text that are no sentence encoders, told by their files: each is refused by name, with what to use."""

from __future__ import annotations

import re
from typing import Final

from senseweave.display import shorten
from senseweave.encoders.detection import Signs
from senseweave.encoders.parts.prompts import own_name
from senseweave.errors import ModelError

SPARSE_MODULES: Final = frozenset(
    {"SpladePooling", "MLMTransformer", "SparseStaticEmbedding", "SparseAutoEncoder", "CSRSparsity"}
)
"""Modules of sentence-transformers' `SparseEncoder`, whose vectors have a weight for each word."""
MULTI_VECTOR: Final = frozenset({"MultiVectorEncoder", "ColBERT"})
_CLASSIFIES: Final = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
)
TEXT_TYPES: Final = (
    "albert", "bert", "camembert", "convbert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "eurobert",
    "modernbert", "mpnet", "nomic_bert", "roberta", "xlm-roberta", "xlm-roberta-xl",
)  # fmt: skip
"""Model types that cross-encoders and classifiers of text are made of."""
_NAMED_SPARSE: Final = re.compile(r"(^|[-_/\\])splade")
_ADAPTER_FILES: Final = frozenset({"adapter_config.json"})
_BASE_WEIGHTS: Final = re.compile(r"(model|pytorch_model)[\w.-]*\.(safetensors|bin)")


def check_sentence_encoder(signs: Signs, *, named: bool = False, adapter: bool = False) -> None:
    """Refuse a checkpoint that makes no vectors of sentences, or whose vectors would lack a part of it.

    Args:
        signs: What its files say.
        named: Whether the user named the family, who may pool the states of a classifier.
        adapter: Whether the user named an adapter to apply.

    Raises:
        ModelError: If it is a sparse encoder, a cross-encoder, a multi-vector model, a classifier, or an adapter.
    """
    reason = _reason(signs, named=named, adapter=adapter)
    if reason is not None:
        msg = f"{signs.name} {reason}"
        raise ModelError(msg)


def _reason(signs: Signs, *, named: bool, adapter: bool) -> str | None:
    saved_as = str(signs.library.get("model_type") or "")
    text = signs.model_type in TEXT_TYPES
    classifies = text and signs.architecture.endswith(_CLASSIFIES)
    if SPARSE_MODULES & set(signs.modules) or saved_as == "SparseEncoder" or _is_plain_splade(signs):
        return (
            "is a sparse encoder (SPLADE), whose vectors have a weight for each word of its vocabulary and cannot be "
            "compared as sentence vectors: load it with sentence_transformers.SparseEncoder, or take a dense model"
        )
    if saved_as in MULTI_VECTOR or str(signs.library.get("similarity_fn_name")).lower() == "maxsim":
        return (
            "is a multi-vector model (ColBERT), which compares texts token by token: load it with "
            "sentence_transformers.MultiVectorEncoder, or take a model of one vector per text"
        )
    if (
        saved_as == "CrossEncoder"
        or (text and "sentence_transformers" in signs.config)
        or (classifies and _labels(signs) == 1)
    ):
        return (
            "is a cross-encoder, which scores pairs of texts and makes no vectors: use it to rerank, "
            f"index.search(..., rerank={shorten(repr(signs.name), 60)})"
        )
    if classifies and not signs.modules and not named:
        return (
            f"is a classifier ({signs.architecture}), which was not trained to embed; "
            f"'contextual:{signs.name}' pools its states"
        )
    if signs.files & _ADAPTER_FILES and not adapter:
        if any(_BASE_WEIGHTS.fullmatch(file) for file in signs.files):
            return (
                "holds an adapter (adapter_config.json) beside the weights of its base: load it with "
                f"adapter={shorten(repr(signs.name), 60)} to apply it"
            )
        return (
            "is an adapter without the weights of its base: load the base that adapter_config.json names, with "
            f"adapter={shorten(repr(signs.name), 60)}"
        )
    return None


def _is_plain_splade(signs: Signs) -> bool:
    """Return whether a folder without modules is SPLADE: transformers says no more than that it predicts words."""
    named = _NAMED_SPARSE.search(own_name(signs.name))
    return named is not None and not signs.modules and signs.architecture.endswith("ForMaskedLM")


def _labels(signs: Signs) -> int | None:
    labels = signs.config.get("id2label")
    if isinstance(labels, dict):
        return len(labels)
    count = signs.config.get("num_labels")
    return count if isinstance(count, int) else None
