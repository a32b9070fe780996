"""Checkpoints that make no vector per text, told by their files: each is refused by name, with what to use instead."""

from __future__ import annotations

import os
import re
import shlex
from typing import Final, Literal

from senseweave.display import shorten
from senseweave.encoders.detection import Signs
from senseweave.encoders.parts.prompts import own_name
from senseweave.encoders.runtime.checkpoint import WEIGHT_SUFFIXES
from senseweave.errors import ModelError
from senseweave.media.collecting import INDEX_MARK

SPARSE_MODULES: Final = frozenset(
    {"SpladePooling", "MLMTransformer", "SparseStaticEmbedding", "SparseAutoEncoder", "CSRSparsity"}
)
"""Modules of sentence-transformers' `SparseEncoder`, whose vectors have a weight for each word."""
MULTI_VECTOR: Final = frozenset({"MultiVectorEncoder", "ColBERT"})
MULTI_VECTOR_MODULES: Final = frozenset({"MultiVectorMask"})
MAX_SIM: Final = frozenset({"maxsim", "meanmaxsim"})
LATE_INTERACTION: Final = ("HF_ColBERT", "ForRetrieval")
"""Architectures of multi-vector models without modules: the authors' ColBERT, and ColPali in transformers."""
SCORE_MODULES: Final = frozenset({"LogitScore"})
_KINDS: Final = {
    "sparse": "a sparse encoder (SPLADE), whose vectors have a weight for each word of its vocabulary and cannot be "
    "compared as sentence vectors",
    "multi-vector": "a multi-vector model (ColBERT, ColPali), which compares token by token",
    "cross-encoder": "a cross-encoder, which scores pairs of texts and makes no vectors",
}
_MODEL_SUFFIXES: Final = (*WEIGHT_SUFFIXES, ".ckpt", ".gguf", ".h5", ".msgpack", ".npz")
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


def check_holds_model(signs: Signs) -> None:
    """Refuse a local folder of other files, which was probably meant to be indexed.

    Raises:
        ModelError: If it is a folder here that has no file of weights; the message says what to do with its files.
    """
    if not os.path.isdir(signs.name) or any(file.endswith(_MODEL_SUFFIXES) for file in signs.files):
        return
    name = repr(signs.name)
    if INDEX_MARK in signs.files:
        msg = f"{signs.name} is the folder of an index, not of a model; open it with Index.open({name})"
        raise ModelError(msg)
    held = ", ".join(sorted(signs.files)[:6]) or "nothing"
    msg = (
        f"{signs.name} is a folder without a model (it holds: {held}); to search its files, index them: "
        f"index.add({name}), or on the command line: senseweave index {shlex.quote(signs.name)}"
    )
    raise ModelError(msg)


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
    kind = find_scorer_kind(signs)
    if kind is not None:
        name = shorten(repr(signs.name), 60)
        beside = f"rank by it beside other spaces: Index(..., spaces=['starter', {name}]), or senseweave.load_sparse; "
        use = f"rerank with it: {_use(signs)}, or senseweave.load_reranker for its scores"
        return f"is {_KINDS[kind]}; {beside if kind == 'sparse' else ''}{use}"
    classifies = signs.model_type in TEXT_TYPES and signs.architecture.endswith(_CLASSIFIES)
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


def find_scorer_kind(signs: Signs) -> Literal["cross-encoder", "multi-vector", "sparse"] | None:
    """Return which kind of model that scores queries and documents a folder holds, or None."""
    saved_as = str(signs.library.get("model_type") or "")
    modules = set(signs.modules)
    if SPARSE_MODULES & modules or saved_as == "SparseEncoder" or _is_plain_splade(signs):
        return "sparse"
    similarity = str(signs.library.get("similarity_fn_name")).lower()
    if saved_as in MULTI_VECTOR or similarity in MAX_SIM or MULTI_VECTOR_MODULES & modules or _is_late(signs):
        return "multi-vector"
    text = signs.model_type in TEXT_TYPES
    ranks = signs.architecture.endswith("ForSequenceClassification") and _labels(signs) == 1
    ranks = ranks and "preprocessor_config.json" not in signs.files  # of speech, which has such classifiers too
    marked = text and "sentence_transformers" in signs.config
    if saved_as == "CrossEncoder" or SCORE_MODULES & modules or marked or ranks:
        return "cross-encoder"
    return None


def _is_late(signs: Signs) -> bool:
    """Return whether a folder without modules is a late-interaction model: the authors' ColBERT, ColPali, ColQwen."""
    return not signs.modules and signs.architecture.endswith(LATE_INTERACTION)


def _use(signs: Signs) -> str:
    return f"index.search(..., rerank={shorten(repr(signs.name), 60)})"


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
