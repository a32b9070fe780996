"""Which kind of reranking model a folder holds, and the model itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from senseweave.encoders.bridges.vision_language import is_image_text_to_text
from senseweave.encoders.detection import Signs, read_signs
from senseweave.encoders.options import check_options
from senseweave.encoders.parts.sentence_folders import PATTERNS
from senseweave.encoders.refusals import LATE_INTERACTION, find_scorer_kind
from senseweave.encoders.rerankers.base import Kind, Scorer
from senseweave.encoders.rerankers.cross_encoder import CrossEncoderModel
from senseweave.encoders.rerankers.multi_vector import MultiVectorModel
from senseweave.encoders.rerankers.sparse import SparseModel
from senseweave.encoders.rerankers.vision_language import VisionLanguageModel
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.encoders.runtime.devices import one_device
from senseweave.encoders.runtime.padding import DEFAULT_BATCH_TOKENS
from senseweave.errors import ModelError

CLASSES: Final[Mapping[Kind, type[Scorer]]] = {
    "cross-encoder": CrossEncoderModel,
    "multi-vector": MultiVectorModel,
    "sparse": SparseModel,
    "vision-language": VisionLanguageModel,
}
SENTENCE_OPTIONS: Final = ("device", "dtype", "max_length", "batch_tokens", "prompts", "trust_remote_code")
VISION_OPTIONS: Final = ("device", "dtype", "max_length", "prompt", "answers")
"""Options of models of sentence-transformers, and of vision-language models."""
WRITES: Final = ("ForConditionalGeneration", "ForVision2Seq", "ForImageTextToText", "ForCausalLM")
STANFORD_METADATA: Final = "artifact.metadata"
"""Where the authors' ColBERT keeps its lengths and markers."""


def load_scorer(name: str, options: Mapping[str, Any]) -> Scorer:
    """Find a reranking model by its name, a hub id or a folder; its weights are loaded when it is first used.

    Raises:
        ModelError: If there is no such model, or it is of no kind that scores pairs.
        TypeError: If there is no such option (the message lists all), or a value has the wrong type.
        ValueError: If a value is impossible.
    """
    known = build.__kwdefaults__ or {}
    if unknown := sorted(set(options) - set(known)):
        msg = f"a reranker has no option {', '.join(unknown)}; it has: {', '.join(known)}"
        raise TypeError(msg)
    chosen = {**options, "device": one_device(options.get("device"), "a reranker or a sparse encoder computes")}
    return build(name, **check_options(build, chosen))


def build(
    name: str,
    *,
    kind: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    prompts: Mapping[str, str] | None = None,
    prompt: str | None = None,
    answers: Sequence[str] | None = None,
    trust_remote_code: bool = False,
) -> Scorer:
    """Build the model of a folder or hub id."""
    if kind is not None and kind not in CLASSES:
        msg = f"kind must be one of {', '.join(CLASSES)}, not {kind!r}"
        raise ValueError(msg)
    checkpoint = resolve(name, revision=revision, patterns=[*PATTERNS, STANFORD_METADATA], code=trust_remote_code)
    signs = read_signs(name, checkpoint.folder)
    found = kind or find_scorer_kind(signs) or ("vision-language" if _sees_and_writes(signs) else None)
    if found not in get_args(Kind):
        msg = (
            f"{name} is no reranker: its files are not those of a cross-encoder, a multi-vector model (ColBERT, "
            "ColPali), a sparse encoder (SPLADE) or a vision-language model; if it is one, name it with kind=, one of "
            f"{', '.join(CLASSES)}. "
            "A model of one vector per text is loaded with senseweave.load"
        )
        raise ModelError(msg)
    if found == "multi-vector" and not _has_projection(signs):
        msg = f"{name} has no projection to the vectors of its tokens, without which they are random: train it first"
        raise ModelError(msg)
    given = {
        "device": device,
        "dtype": dtype,
        "max_length": max_length,
        "batch_tokens": batch_tokens,
        "prompts": prompts,
        "prompt": prompt,
        "answers": answers,
        "trust_remote_code": trust_remote_code,
    }
    return CLASSES[found](checkpoint, **_own_options(name, found, given))  # type: ignore[index]


def _own_options(name: str, kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a model of a kind takes.

    Raises:
        TypeError: If another option is set.
    """
    known = VISION_OPTIONS if kind == "vision-language" else SENTENCE_OPTIONS
    default = {"batch_tokens": DEFAULT_BATCH_TOKENS, "trust_remote_code": False}
    if unknown := [key for key, value in given.items() if key not in known and value != default.get(key)]:
        msg = f"{name} is a {kind} model, which has no option {', '.join(unknown)}; it has: {', '.join(known)}"
        raise TypeError(msg)
    return {key: value for key, value in given.items() if key in known and value is not None}


def _sees_and_writes(signs: Signs) -> bool:
    """Return whether a folder holds a model that writes about images, as transformers saves it."""
    return not signs.modules and signs.architecture.endswith(WRITES) and is_image_text_to_text(signs.model_type)


def _has_projection(signs: Signs) -> bool:
    """Return whether a folder holds what sentence-transformers would otherwise start from random weights."""
    return bool(signs.modules) or signs.architecture.endswith(LATE_INTERACTION)
