"""Vision-language rerankers: a model is asked whether a candidate answers the query, and how sure it is scores it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import numpy as np

from senseweave.encoders.base import Prepared, Role
from senseweave.encoders.bridges.vision_language import load_chat_processor
from senseweave.encoders.parts.backbone import Backbone
from senseweave.encoders.rerankers.base import Kind, Scorer, Scores
from senseweave.encoders.runtime.checkpoint import Checkpoint
from senseweave.encoders.runtime.padding import Batching, bucket
from senseweave.encoders.runtime.tokenization import least, position_limit
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import ModelError
from senseweave.media import Modality

ANSWERS: Final = ("True", "False")
PROMPT: Final = (
    "Assert the relevance of the previous image document to the following query, answer True or False. "
    "The query is: {query}"
)
"""The question that MonoQwen2-VL was trained on (its model card), which other models understand too."""
READS: Final[tuple[Modality, ...]] = ("text", "image")


class VisionLanguageModel(Scorer):
    """An image-text-to-text model of transformers with a chat template, such as Qwen2-VL or SmolVLM.

    The score is the probability of the first answer among the two, from the logits of the token that would come
    next: 1 / (1 + exp(logit of the second - logit of the first)), between 0 and 1. Candidates are computed one by one.
    """

    kind: ClassVar[Kind] = "vision-language"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str | None = None,
        dtype: str | None = None,
        max_length: int | None = None,
        prompt: str = PROMPT,
        answers: Sequence[str] = ANSWERS,
    ) -> None:
        """Describe the model; it is loaded when it is first used.

        Args:
            checkpoint: Its folder.
            device: torch device; the best there is if None.
            dtype: `float32`, `bfloat16` or `float16`.
            max_length: Tokens of a candidate's text that are read; as many as the model has positions for if None.
            prompt: The question after the candidate, with `{query}` where the query stands.
            answers: The answer of a candidate that is relevant, and that of another; each is one token.

        Raises:
            ValueError: If the question does not hold the query, or there are not two answers.
        """
        super().__init__(checkpoint, device=device, dtype=dtype, max_length=max_length)
        _check_question(prompt, answers)
        self._prompt_text, self._answers = prompt, tuple(answers)
        self._backbone = Backbone(checkpoint, "AutoModelForImageTextToText", extra="image", device=device, dtype=dtype)
        self._processor: Lazy[Any] = Lazy(lambda: load_chat_processor(checkpoint))
        self._tokens: Lazy[tuple[int, int]] = Lazy(self._answer_tokens)
        self.parts = (self._processor, self._tokens, self._backbone)

    def reads(self, role: Role) -> frozenset[Modality]:
        """Return `text` for queries, `text` and `image` for documents."""
        return frozenset(READS[:1] if role == "query" else READS)

    @property
    def reads_together(self) -> bool:
        """False: a query is words."""
        return False

    def score(self, query: Any, documents: Sequence[Any]) -> Scores:
        """Return how probable it is that each document answers the query, from 0 to 1."""
        self._tokens()  # wrong answers are an error of the call, not of each document
        prepared = [self._ask(query, document) for document in documents]
        results = self._run(prepared, lambda batch: [self._answer(*asked) for asked in batch])
        errors = {at: result for at, result in enumerate(results) if isinstance(result, str)}
        values = np.array([np.nan if isinstance(result, str) else result for result in results], dtype=np.float64)
        return Scores(values, errors, tuple(item.dropped for item in prepared))

    def _identity(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "model": self._backbone.identity(),
            "prompt": self._prompt_text,
            "answers": self._answers,
            "max_length": self._max_length,
        }

    def _ask(self, query: str, document: Any) -> Prepared:
        """Return the chat about a document and its picture, and how many tokens of its text are left out."""
        alone = bucket("alone", 0)
        if not isinstance(document, str):
            return Prepared((self._chat(query, {"type": "image"}), document), self.batch_tokens, alone)
        text, dropped = self._shortened(query, document)
        return Prepared((self._chat(query, {"type": "text", "text": text}), None), self.batch_tokens, alone, dropped)

    def _chat(self, query: str, part: dict[str, str]) -> str:
        question = {"type": "text", "text": self._prompt_text.replace("{query}", query)}
        turn = {"role": "user", "content": [part, question]}
        return str(self._processor().apply_chat_template([turn], add_generation_prompt=True, tokenize=False))

    def _shortened(self, query: str, document: str) -> tuple[str, int]:
        """Return the beginning of a text that the model can read besides the question, and the tokens left out."""
        tokenizer = self._processor().tokenizer
        config = self._backbone.config.get_text_config().to_dict()
        positions = position_limit(config)
        if positions is not None:
            asked = self._chat(query, {"type": "text", "text": ""})
            positions = max(1, positions - len(tokenizer(asked)["input_ids"]))
        limit = least(self._max_length, positions)
        ids = tokenizer(document, add_special_tokens=False, verbose=False)["input_ids"]
        if limit is None or len(ids) <= limit:
            return document, 0
        return str(tokenizer.decode(ids[:limit])), len(ids) - limit

    def _answer(self, chat: str, image: Any) -> float:
        """Return the probability of the first answer to a chat."""
        shown = {} if image is None else {"images": [image]}
        inputs = self._processor()(text=[chat], return_tensors="pt", **shown)
        model = self._backbone()
        options = {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
        with self._backbone.inference():
            moved = {name: self._backbone.to_device(value) for name, value in inputs.items()}
            logits = model(**moved, **options).logits[0, -1].float()
        relevant, other = (float(logits[token]) for token in self._tokens())
        if not math.isfinite(relevant - other):
            msg = f"the logits of {' and '.join(self._answers)} are not finite"
            raise ValueError(msg)
        return float(np.exp(-np.logaddexp(0.0, other - relevant)))

    def _answer_tokens(self) -> tuple[int, int]:
        """Return the tokens of the two answers.

        Raises:
            ModelError: If an answer is not one token, or both are the same.
        """
        tokenizer = self._processor().tokenizer
        ids = [tokenizer(answer, add_special_tokens=False)["input_ids"] for answer in self._answers]
        for answer, tokens in zip(self._answers, ids, strict=True):
            if len(tokens) != 1 or tokens[0] == tokenizer.unk_token_id:
                msg = (
                    f"{self.name} writes the answer {answer!r} with {len(tokens)} tokens, expected one; "
                    "choose two answers of one token each with answers="
                )
                raise ModelError(msg)
        if ids[0] == ids[1]:
            msg = f"{self.name} writes both answers {', '.join(self._answers)} alike; choose others with answers="
            raise ModelError(msg)
        return ids[0][0], ids[1][0]

    def _find_batching(self) -> Batching:
        return "alone"


def _check_question(prompt: str, answers: Sequence[str]) -> None:
    if "{query}" not in prompt:
        msg = f"prompt must hold {{query}} where the query stands, not {prompt!r}"
        raise ValueError(msg)
    if isinstance(answers, str) or len(answers) != 2 or not all(isinstance(answer, str) for answer in answers):
        msg = f"answers must be two strings, that of a relevant candidate first, not {answers!r}"
        raise ValueError(msg)
