"""Text by an embedding API: OpenAI's, and servers that speak its protocol, through the official client."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import numpy as np

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
from senseweave.encoders.family import Family
from senseweave.encoders.parts.prompts import find_prompts
from senseweave.encoders.runtime.checkpoint import resolve
from senseweave.encoders.runtime.server_answers import AnswerFormatError, Rows, read_rows
from senseweave.encoders.runtime.token_counting import TokenCounter, by_bytes, by_tiktoken, by_tokenizer
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import AnswerError, ModelError, SenseweaveError
from senseweave.extras import require
from senseweave.media import Modality

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
"""Length of full vectors (OpenAI, "Vector embeddings" guide)."""
SHORTENED = ("text-embedding-3-small", "text-embedding-3-large")
"""Models that take `dimensions` (API reference of `POST /embeddings`); vectors of others are shortened here."""
MAX_INPUT_TOKENS = 8191
"""Tokens of one text (API reference: 8192 for all embedding models; the guide says 8191)."""
MAX_REQUEST_TEXTS = 2048
MAX_REQUEST_TOKENS = 300_000
"""Texts and tokens of one request (API reference of `POST /embeddings`)."""
DEFAULT_BATCH_TOKENS = 100_000
"""Tokens per request: a third of the limit, so that one answer takes seconds and a retry repeats less."""
KEY_VARIABLE = "OPENAI_API_KEY"
MOST_REFUSED = 3
"""Single texts that a server may refuse before it has answered to any; then it is not the texts."""
NO_KEY = "unused"
"""What is sent to a server that needs no key."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BEARER = re.compile(r"(Bearer )[^\s\"']+")

Verdict = Literal["isolate", "batch", "fatal"]


class OpenAIText(Encoder):
    """Texts whose vectors a server computes.

    The key is read from the environment when the client is made, and kept nowhere else: it is in no argument,
    representation, log line, error or pickle of this library.
    """

    modality: ClassVar[Modality] = "text"
    max_length: int | None
    batch_budget: int

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        base_url: str | None = None,
        key_variable: str = KEY_VARIABLE,
        tokenizer: str | None = None,
        max_length: int | None = None,
        batch_tokens: int = DEFAULT_BATCH_TOKENS,
        prompts: Mapping[str, str] | None = None,
        max_retries: int = 6,
        timeout: float = 60.0,
    ) -> None:
        """Describe the encoder; nothing is sent before it is used.

        Args:
            model: The server's name of the model.
            dimensions: Length of vectors to ask for, of models that can shorten them.
            base_url: Where the server is, for example `http://localhost:8080/v1`; the client's own default if None.
            key_variable: Environment variable that holds the key.
            tokenizer: Hub id or folder of the tokenizer of the served model, to count its tokens with; OpenAI's for
                OpenAI's models, and a count of bytes, which is never too low, for want of either.
            max_length: Tokens of a text that the server reads; longer texts are cut, and reported.
            batch_tokens: Tokens per request.
            prompts: Text put before queries and documents, by role; from the registry if None.
            max_retries: How often a request is sent again after 408, 409, 429, 5xx, or no answer, waiting longer each
                time, or as long as the server asks for.
            timeout: Seconds that an answer may take.

        Raises:
            ValueError: If the model cannot have so many dimensions, a limit is not positive, `base_url` holds a user
                name, a password or a query, or `key_variable` is not the name of a variable.
        """
        full = DIMENSIONS.get(model)
        if dimensions is not None and full is not None and not 0 < dimensions <= full:
            msg = f"dimensions must be between 1 and {full} for {model}, not {dimensions}"
            raise ValueError(msg)
        if batch_tokens < 1 or max_retries < 0 or timeout <= 0 or (max_length is not None and max_length < 1):
            msg = "batch_tokens, max_length and timeout must be positive, and max_retries not negative"
            raise ValueError(msg)
        if not _VARIABLE.fullmatch(key_variable):  # most often the key itself, which must not be repeated
            msg = f"key_variable must be the name of an environment variable, such as {KEY_VARIABLE}, not a key"
            raise ValueError(msg)
        _refuse_credentials(base_url, "base_url", key_variable)
        self.model = model
        self.base_url = base_url
        self._limit = max_length or MAX_INPUT_TOKENS
        self.max_length = self._limit
        self.batch_budget = min(batch_tokens, MAX_REQUEST_TOKENS)
        self.prompts = find_prompts(model, prompts=prompts)
        self._asked_dimensions = dimensions if model in SHORTENED else None
        self._key_variable = key_variable
        self._tokenizer = tokenizer
        self._max_retries = max_retries
        self._timeout = timeout
        self._client: Lazy[Any] = Lazy(self._make_client, survives_fork=False)
        self._counter: Lazy[TokenCounter] = Lazy(self._make_counter)
        self._probed: Lazy[int] = Lazy(self._probe)
        self.parts = (self._client, self._counter)

    @property
    def dimension(self) -> int:
        """The dimensions that were requested, else those that OpenAI documents, else those of a probe."""
        return self._asked_dimensions or DIMENSIONS.get(self.model) or self._probed()

    def prepare(self, items: Sequence[str], role: Role) -> list[Prepared]:
        """Count tokens, and cut texts that are longer than the server reads."""
        prompt = self.prompts.get(role)
        least_cost = math.ceil(self.batch_budget / MAX_REQUEST_TEXTS)  # so many fill a request to its limit of texts
        prepared = []
        for text, tokens, dropped in self._counter().cut([prompt + item for item in items], self._limit):
            prepared.append(Prepared(text, cost=max(tokens, least_cost), dropped=dropped))
        return prepared

    def forward(self, batch: Sequence[Prepared]) -> Encoded:
        """Send a request; a text that the server refuses is an error of its own and leaves the others their vectors.

        What is refused as a whole is sent again by halves, until it is known which text it was, or that it was none.
        """
        vectors: dict[int, np.ndarray] = {}
        empty = [i for i, item in enumerate(batch) if not item.data]
        errors = dict.fromkeys(empty, "the API does not embed an empty text")
        remaining = [i for i in range(len(batch)) if i not in errors]
        waiting = [remaining] if remaining else []
        refused = 0
        while waiting:
            positions = waiting.pop()
            answer, verdict, reason = self._attempt([batch[i].data for i in positions])
            if answer is not None:
                vectors.update((positions[place], vector) for place, vector in answer.vectors.items())
                errors.update((positions[place], self._answered(why)) for place, why in answer.errors.items())
            elif verdict == "isolate" and len(positions) > 1 and (vectors or refused < MOST_REFUSED):
                half = len(positions) // 2
                waiting += [positions[half:], positions[:half]]
            else:
                refused += len(positions) == 1
                errors.update(dict.fromkeys(positions, reason))
        rows = np.zeros((len(batch), self.dimension), np.float32)
        for i, vector in vectors.items():
            if vector.shape == rows[i].shape:
                rows[i] = vector
            else:
                errors[i] = self._answered(f"{len(vector)} dimensions, not {self.dimension}")
        return Encoded(rows, errors={i: AnswerError("", reason) for i, reason in errors.items()})

    def identity(self) -> Mapping[str, object]:
        """Return model, server, dimensions, prompts and length."""
        return {
            "family": "openai",
            "model": self.model,
            "server": _normalized(self.base_url) if self.base_url else "default",
            "dimensions": self._asked_dimensions,
            "prompts": self.prompts.identity(),
            "max_length": self.max_length,
        }

    def _attempt(self, texts: list[str]) -> tuple[Rows | None, Verdict, str]:
        """Send one request; return its rows, or the next step and the reason.

        Raises:
            ModelError: If no request to this server can succeed: a wrong key, model or address.
        """
        openai = require("openai", extra="openai")
        try:
            return self._request(texts), "batch", ""
        except AnswerFormatError as error:
            verdict: Verdict = "isolate"
            reason = self._answered(str(error))
        except openai.APIStatusError as error:
            status = error.status_code
            verdict = "isolate" if status in (400, 413, 422) else "batch"
            reason = self._answered(f"{status}: {error.message}")
            if status in (401, 403, 404):
                verdict = "fatal"
        except openai.APITimeoutError:
            verdict, reason = "batch", f"{self._name}: no answer within {self._timeout:g} s, {self._tries()}"
        except openai.APIConnectionError as error:
            said = self._clean(str(error))
            verdict, reason = "batch", f"{self._name}: the server cannot be reached, {self._tries()}: {said}"
        except SenseweaveError:
            raise
        except Exception as error:  # the client lets out what its parser, its transport or the system raise
            verdict, reason = "batch", f"{self._name}: {type(error).__name__}: {self._clean(str(error))}"
        if verdict == "fatal":  # raised out here, because the error above holds the request with the key
            raise ModelError(reason)
        return None, verdict, reason

    def _probe(self) -> int:
        answer, _, reason = self._attempt(["dimension"])
        if answer is None or not answer.vectors:
            why = reason if answer is None else self._answered(next(iter(answer.errors.values())))
            msg = f"openai:{self.model} does not give the length of its vectors: {why}"
            raise ModelError(msg)
        return len(answer.vectors[0])

    def _request(self, texts: list[str]) -> Rows:
        options = {"dimensions": self._asked_dimensions} if self._asked_dimensions else {}
        # The answer is read here: the client takes every 200 for a list of vectors, and fails on what is none.
        answer = self._client().embeddings.with_raw_response.create(model=self.model, input=texts, **options)
        content = answer.content
        for form in self._key_forms():  # before the beginning of an answer is quoted, which may end inside a key
            content = content.replace(form.encode(), b"[key]")
        return read_rows(content, answer.headers.get("content-type", ""), len(texts))

    @property
    def _name(self) -> str:
        """What errors call the model and its server."""
        return f"openai:{self.model} at {self._client().base_url}"

    def _answered(self, what: str) -> str:
        return self._clean(f"{self._name}: the server answered {what}")

    def _make_client(self) -> Any:
        openai = require("openai", extra="openai", feature="text by an embedding API")
        key = os.environ.get(self._key_variable)
        if not key:
            if self.base_url is None and "OPENAI_BASE_URL" not in os.environ:
                msg = f"openai:{self.model} needs a key: set the environment variable {self._key_variable}"
                raise ModelError(msg)
            key = NO_KEY  # many servers that speak the protocol need no key, but the client insists on it
        if not key.isascii() or not key.isprintable() or " " in key:
            msg = (
                f"the key in {self._key_variable} has a space, a line break or another character that keys do not have"
            )
            raise ModelError(msg)
        if self.base_url is None:
            _refuse_credentials(os.environ.get("OPENAI_BASE_URL"), "OPENAI_BASE_URL", self._key_variable)
        return openai.OpenAI(api_key=key, base_url=self.base_url, max_retries=self._max_retries, timeout=self._timeout)

    def _make_counter(self) -> TokenCounter:
        if self._tokenizer is not None:
            return by_tokenizer(resolve(self._tokenizer, weights=False))
        if self.model in DIMENSIONS:
            return by_tiktoken(self.model) or by_bytes()
        return by_bytes()

    def _tries(self) -> str:
        return f"tried {self._max_retries + 1} times"

    def _clean(self, message: str) -> str:
        """Return a message without the key, which servers like to repeat, as it is or in the escapes of a URL."""
        for form in self._key_forms():
            message = message.replace(form, "[key]")
        return _BEARER.sub(r"\1[key]", message)

    def _key_forms(self) -> set[str]:
        """Return the key as it is and in the escapes of a URL; nothing where none is sent."""
        keys = {os.environ.get(self._key_variable), str(self._client().api_key)} - {None, "", NO_KEY}
        return {form for key in map(str, keys) for form in (key, quote(key, safe=""))}


def _refuse_credentials(url: str | None, name: str, key_variable: str) -> None:
    """Check that an address holds nothing that may be a secret.

    It would stand in indexes, pickles, logs and errors, and so is not repeated here.

    Raises:
        ValueError: If it has a user name, a password, a query or a fragment.
    """
    if url is not None and any(mark in url for mark in "@?#"):
        msg = (
            f"{name} must be an address without user name, password, query or fragment, such as "
            f"http://localhost:8080/v1; put the key into the environment variable {key_variable}"
        )
        raise ValueError(msg)


def _normalized(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def build(
    name: str,
    *,
    dimensions: int | None = None,
    base_url: str | None = None,
    key_variable: str = KEY_VARIABLE,
    tokenizer: str | None = None,
    max_length: int | None = None,
    batch_tokens: int = DEFAULT_BATCH_TOKENS,
    prompts: Mapping[str, str] | None = None,
    max_retries: int = 6,
    timeout: float = 60.0,
) -> dict[Modality, Encoder]:
    """Build the text encoder of a served model, see `OpenAIText`."""
    encoder = OpenAIText(
        name,
        dimensions=dimensions,
        base_url=base_url,
        key_variable=key_variable,
        tokenizer=tokenizer,
        max_length=max_length,
        batch_tokens=batch_tokens,
        prompts=prompts,
        max_retries=max_retries,
        timeout=timeout,
    )
    return {"text": encoder}


FAMILY = Family(
    scheme="openai",
    build=build,
    modalities=("text",),
    extra="openai",
    summary="OpenAI's embedding models and servers that speak the same protocol; the key is read from the environment",
    examples=("openai:text-embedding-3-small", "openai:text-embedding-3-large", "openai:text-embedding-ada-002"),
    dimensions=(1536, 3072, 1536),
    license="a paid service with its own terms",
    folders=False,
)
