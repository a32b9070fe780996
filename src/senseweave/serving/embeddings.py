"""Routes: `/v1/embeddings` and `/v1/models` in OpenAI's form, for texts and for media.

Texts come as OpenAI defines it. OpenAI has no form for media; two are in use, and both are read here:

- `"input": [{"image": "<base64>"}, {"text": "..."}]`, with a vector for each object (Jina AI's API). It is what clients
  of batches want, and clients of OpenAI send it, for they do not look into `input`.
- `"messages": [{"role": "user", "content": [{"type": "image_url", ...}]}]`, with one vector for the conversation, whose
  parts are fused (vLLM's server). It fits programs that write chat messages already.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, Field

import senseweave as sw
from senseweave.encoders.base import Role
from senseweave.errors import MediaError, UnsupportedModalityError
from senseweave.media import Media, MediaPolicy, Modality, Text
from senseweave.serving.bodies import JSONRoute
from senseweave.serving.errors import ApiError, PlainJSON, input_error
from senseweave.serving.inputs import MODALITIES, read_encoded
from senseweave.serving.services import Services, Shared
from senseweave.serving.work import off_loop
from senseweave.spaces.batch import layer_norm, unit_rows
from senseweave.spaces.space import Space

router = APIRouter(prefix="/v1", tags=["embeddings"], route_class=JSONRoute)

MOST_INPUTS: Final = 2048
"""As OpenAI allows in one request."""
ROLES: Final[Mapping[str, Role]] = {
    "query": "query",
    "search_query": "query",
    "retrieval.query": "query",
    "document": "document",
    "passage": "document",
    "search_document": "document",
    "retrieval.passage": "document",
}
"""Roles by what the APIs of others call them in `input_type` (Voyage, Cohere, NVIDIA) and `task` (Jina)."""
MESSAGE_FORM: Final = "the content of a message is a string, or a list of parts of type " + ", ".join(
    ["text", "input_audio", *(f"{modality}_url" for modality in MODALITIES)]
)
IDS_REFUSED: Final = (
    "input holds token ids, which mean nothing to this model: send strings "
    "(LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))"
)


class EmbeddingsRequest(BaseModel):
    """A request as OpenAI defines it, with media as Jina's API and vLLM take them."""

    model: str | None = Field(None, description="A name of `/v1/models`; the first of them if left out.")
    # What is in a list is checked by `read_inputs`, off the event loop.
    input: str | list[Any] | dict[str, Any] | None = Field(
        None,
        description='Strings, or objects such as {"image": "<base64>"}; also audio, video and text.',
        json_schema_extra={"examples": ["a dog", ["a dog", "a cat"], [{"image": "<base64>"}, {"text": "a dog"}]]},
    )
    messages: list[dict[str, Any]] | None = Field(
        None, description="A conversation instead of `input`, all of which gets one vector."
    )
    encoding_format: Literal["float", "base64"] | None = Field(None, description="`float` if left out.")
    dimensions: int | None = Field(None, ge=1, description="Length of the vectors, where the model allows a choice.")
    input_type: str | None = Field(
        None, description="`query` or `document`; models with prompts embed them differently."
    )
    task: str | None = Field(None, description="The same in Jina's words, such as `retrieval.query`.")
    user: str | None = None


class EmbeddingModel(BaseModel):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsAnswer(BaseModel):
    """Vectors in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[EmbeddingModel]
    model: str
    usage: dict[str, int] = Field(description="Words and punctuation marks of the texts.")


class ModelModel(BaseModel):
    """A space that embeds."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="Seconds since 1970.")
    owned_by: str
    modalities: list[Modality]
    dimension: int


class ModelsAnswer(BaseModel):
    """The spaces that embed."""

    object: Literal["list"] = "list"
    data: list[ModelModel]


@router.post("/embeddings", response_model=EmbeddingsAnswer)
async def embeddings(asked: EmbeddingsRequest, shared: Shared) -> Any:
    """Embed texts, images, recordings and videos; requests that come together are computed together."""
    name, space = await off_loop(_chosen, shared, asked.model)
    role = _role(asked)
    try:
        media = await off_loop(read_inputs, asked, shared.settings.upload_policy)
        batch = await space.aencode(media, role=role)
    except UnsupportedModalityError:
        raise
    except (MediaError, TypeError, ValueError) as error:
        raise input_error(error) from None
    for item in media:
        shared.metrics.embedded.labels(item.modality).inc()
    vectors = cut(space, batch.vectors, asked.dimensions)
    texts = [item.decode() for item in media if isinstance(item, Text)]
    return await off_loop(_answer, name, vectors, asked.encoding_format, texts)


@router.get("/models", response_model=ModelsAnswer)
async def models(shared: Shared) -> Any:
    """List the spaces that embed."""
    spaces = await off_loop(lambda: shared.spaces)
    return PlainJSON({"object": "list", "data": [_model(shared, *entry) for entry in spaces.items()]})


@router.get("/models/{name:path}", response_model=ModelModel)
async def model(name: str, shared: Shared) -> Any:
    """Return a space that embeds."""
    return PlainJSON(_model(shared, *await off_loop(_chosen, shared, name)))


def read_inputs(asked: EmbeddingsRequest, policy: MediaPolicy) -> list[Media]:
    """Return the media of a request, one for each vector.

    Raises:
        ApiError: If it has none or too many, or they are of no known form.
        MediaError: If one cannot be read.
    """
    if (asked.input is None) == (asked.messages is None):
        raise ApiError(422, "no_input", "send either input or messages")
    if asked.messages is not None:
        return [_conversation(asked.messages, policy)]
    items = asked.input if isinstance(asked.input, list) else [asked.input]
    if not items or len(items) > MOST_INPUTS:
        raise ApiError(422, "invalid_input", f"input must hold 1 to {MOST_INPUTS} entries, not {len(items)}")
    return [_item(number, item, policy) for number, item in enumerate(items)]


def cut(space: Space, vectors: np.ndarray, dimensions: int | None) -> np.ndarray:
    """Return vectors with their leading dimensions alone, as a space loaded with `dimensions` gives them.

    Args:
        space: What embedded them.
        vectors: Shape (n, dimension), float32.
        dimensions: How many to keep; None for all.

    Raises:
        ApiError: If the vectors have fewer.
    """
    if dimensions in (None, space.dimension):
        return vectors
    assert dimensions is not None
    if dimensions > space.dimension:
        text = f"dimensions must be at most {space.dimension} for {space.name}, not {dimensions}"
        raise ApiError(422, "invalid_dimensions", text)
    first = next(iter(space.encoders.values()))
    if first.layer_norm_before_cut and space.dimension == first.dimension:
        vectors = layer_norm(vectors)
    return unit_rows(vectors[:, :dimensions]) if space.normalize else vectors[:, :dimensions]


def count_words(text: str) -> int:
    """Return the number of words and punctuation marks of a text: encoders have tokenizers of their own, or none."""
    return sum(1 for _ in re.finditer(r"\w+|[^\w\s]", text))  # one call for all of them would stop other threads


def _chosen(shared: Services, name: str | None) -> tuple[str, Space]:
    spaces = shared.spaces
    if not name:
        return next(iter(spaces.items()))
    if name not in spaces:
        raise ApiError(404, "model_not_found", f"there is no such model; this server has: {', '.join(spaces)}")
    return name, spaces[name]


def _role(asked: EmbeddingsRequest) -> Role:
    for given in (asked.input_type, asked.task):
        if given is not None:
            if given not in ROLES:
                raise ApiError(422, "invalid_role", f"input_type and task must be one of {', '.join(ROLES)}")
            return ROLES[given]
    return "document"


def _item(number: int, item: Any, policy: MediaPolicy) -> Media:
    if isinstance(item, (int, list)):
        raise ApiError(422, "token_ids", IDS_REFUSED)
    if isinstance(item, str):
        return Text(item, policy=policy)
    is_named = isinstance(item, Mapping) and len(item) == 1 and set(item) <= {"text", *MODALITIES}
    if not is_named or not isinstance(next(iter(item.values())), str):
        raise ApiError(422, "invalid_input", f"input.{number}: an object holds one of text, image, audio or video")
    ((modality, value),) = item.items()
    if modality == "text":
        return Text(value, policy=policy)
    try:
        return read_encoded(value, modality, policy)
    except MediaError as error:
        raise error.at(number, number + 1) from None


def _conversation(messages: Sequence[Mapping[str, Any]], policy: MediaPolicy) -> Media:
    """Return the content of all messages as one media: words joined, and fused with what is beside them."""
    words: list[str] = []
    others: list[Media] = []
    for message in messages:
        content = message.get("content")
        if not isinstance(content, (str, list)) and content is not None:
            raise ApiError(422, "invalid_message", MESSAGE_FORM)
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
            read = _message_part(part, policy)
            if isinstance(read, str):
                words.append(read)
            else:
                others.append(read)
    if words:
        others.append(Text("\n".join(words), policy=policy))
    if not others:
        raise ApiError(422, "no_input", "messages hold no content")
    if len(others) == 1:
        return others[0]
    return sw.fuse({f"part {number}": media for number, media in enumerate(others, start=1)}, policy=policy)


def _message_part(part: Any, policy: MediaPolicy) -> str | Media:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind == "input_audio" and isinstance(part.get("input_audio"), Mapping):
        return read_encoded(str(part["input_audio"].get("data", "")), "audio", policy)
    for modality in MODALITIES:
        named: Any = part.get(f"{modality}_url") if kind == f"{modality}_url" else None
        url = named.get("url") if isinstance(named, Mapping) else named
        if isinstance(url, str):
            return read_encoded(url, modality, policy)
    raise ApiError(422, "invalid_message", MESSAGE_FORM)


def _answer(name: str, vectors: np.ndarray, form: str | None, texts: Sequence[str]) -> PlainJSON:
    rows = np.ascontiguousarray(vectors, dtype="<f4")
    listed = [base64.b64encode(row.tobytes()).decode() for row in rows] if form == "base64" else rows.tolist()
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(listed)]
    tokens = sum(map(count_words, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return PlainJSON({"object": "list", "data": data, "model": name, "usage": usage})


def _model(shared: Services, name: str, space: Space) -> dict[str, Any]:
    modalities: list[Modality] = list(space.modalities)
    return {
        "id": name,
        "object": "model",
        "created": int(shared.started),
        "owned_by": "senseweave",
        "modalities": modalities,
        "dimension": space.dimension,
    }
