"""Each modality, single and in batches; what is given in which form; events, cache and rate limit."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.base.llms.types import AudioBlock, ImageBlock, VideoBlock
from llama_index.core.bridge.pydantic import Field
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.embeddings import MultiModalEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.embedding import EmbeddingEndEvent, EmbeddingStartEvent
from llama_index.core.rate_limiter import BaseRateLimiter
from llama_index.core.schema import MediaResource
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.embeddings.senseweave import SenseweaveEmbedding

import senseweave as sw

KINDS = ("image", "audio", "video")
TEXTS = ["a red thing", "a low note", "a blue thing", "a green thing"]


class Recorder(BaseCallbackHandler):
    """Keeps what the callback manager is told of embedding."""

    def __init__(self) -> None:
        super().__init__([], [])
        self.started: list[dict[Any, Any]] = []
        self.ended: list[dict[Any, Any]] = []

    def on_event_start(self, event_type: CBEventType, payload: Any = None, **kwargs: Any) -> str:
        assert event_type is CBEventType.EMBEDDING
        self.started.append(payload)
        return str(kwargs.get("event_id", ""))

    def on_event_end(self, event_type: CBEventType, payload: Any = None, **kwargs: Any) -> None:
        self.ended.append(payload)

    def start_trace(self, trace_id: str | None = None) -> None: ...

    def end_trace(self, trace_id: str | None = None, trace_map: Any = None) -> None: ...


class Listener(BaseEventHandler):
    """Keeps embedding events of the instrumentation."""

    events: list[Any] = Field(default_factory=list)

    def handle(self, event: Any, **kwargs: Any) -> None:
        if isinstance(event, EmbeddingStartEvent | EmbeddingEndEvent):
            self.events.append(event)


class Turns(BaseRateLimiter):
    """Counts turns instead of limiting them."""

    def __init__(self) -> None:
        self.taken = 0

    def acquire(self, num_tokens: int = 0) -> None:
        self.taken += 1

    async def async_acquire(self, num_tokens: int = 0) -> None:
        self.taken += 1


@pytest.fixture
def listener() -> Any:
    handler, root = Listener(), get_dispatcher()
    root.add_event_handler(handler)
    yield handler
    root.event_handlers.remove(handler)


def single(model: SenseweaveEmbedding, kind: str, item: Any) -> list[float]:
    return getattr(model, f"get_{kind}_embedding")(item)


def batch(model: SenseweaveEmbedding, kind: str, items: list[Any], **options: Any) -> list[list[float]]:
    return getattr(model, f"get_{kind}_embedding_batch")(items, **options)


def test_it_is_an_embedding_model_of_the_framework() -> None:
    assert BaseEmbedding.__name__ in [base.__name__ for base in SenseweaveEmbedding.__mro__]
    assert issubclass(SenseweaveEmbedding, MultiModalEmbedding)
    assert SenseweaveEmbedding.class_name() == "SenseweaveEmbedding"


def test_vectors_are_those_of_the_space(embed_model: SenseweaveEmbedding, space: sw.Space, files: Any) -> None:
    assert embed_model.get_text_embedding_batch(TEXTS) == space.embed_text(TEXTS).tolist()
    assert embed_model.get_query_embedding("red") == space.embed_text(["red"], role="query")[0].tolist()
    assert embed_model.get_image_embedding_batch(files["image"]) == space.embed_image(files["image"]).tolist()
    assert embed_model.get_audio_embedding_batch(files["audio"]) == space.embed_audio(files["audio"]).tolist()
    assert embed_model.get_video_embedding_batch(files["video"]) == space.embed_video(files["video"]).tolist()


def test_a_question_is_embedded_as_a_query_and_a_passage_as_a_document(embed_model: SenseweaveEmbedding) -> None:
    assert embed_model.get_query_embedding("red") != embed_model.get_text_embedding("red")
    assert embed_model.get_query_embedding_batch(["red"])[0] == embed_model.get_query_embedding("red")


def test_several_questions_are_reduced_to_their_mean(embed_model: SenseweaveEmbedding) -> None:
    both = [embed_model.get_query_embedding(text) for text in ("red", "low")]
    assert embed_model.get_agg_embedding_from_queries(["red", "low"]) == np.mean(both, axis=0).tolist()
    assert embed_model.get_agg_embedding_from_queries(["red", "low"], agg_fn=lambda given: given[1]) == both[1]


@pytest.mark.parametrize("kind", ["query", "text", *KINDS])
def test_one_alone_has_the_same_vector_as_in_a_batch(embed_model: SenseweaveEmbedding, kind: str, files: Any) -> None:
    items = files.get(kind, TEXTS)
    alone = [single(embed_model, kind, item) for item in items]
    np.testing.assert_allclose(alone, batch(embed_model, kind, items), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_of_the_same_content_has_the_same_vector(
    embed_model: SenseweaveEmbedding, kind: str, files: Any, make: dict[str, Callable[..., bytes]]
) -> None:
    path: Path = files[kind][0]
    data = path.read_bytes()
    uri = f"data:application/octet-stream;base64,{base64.b64encode(data).decode()}"
    stream = io.BytesIO(data)
    stream.seek(0, io.SEEK_END)
    block = {"image": ImageBlock(image=data), "audio": AudioBlock(audio=data), "video": VideoBlock(video=data)}[kind]
    media = {"image": sw.Image, "audio": sw.Audio, "video": sw.Video}[kind](path)
    forms = [
        str(path), path, data, stream, stream, uri, media, block, MediaResource(data=data), MediaResource(path=path),
        MediaResource(url=path.as_uri()), type(block)(path=path),
    ]  # fmt: skip
    vectors = batch(embed_model, kind, forms)
    assert all(vector == vectors[0] for vector in vectors)


@pytest.mark.parametrize("kind", KINDS)
def test_the_suffix_of_a_file_does_not_matter(embed_model: SenseweaveEmbedding, kind: str, files: Any) -> None:
    bare: Path = files[kind][0]
    wrong = bare.with_name(f"{bare.name}.txt")
    wrong.write_bytes(bare.read_bytes())
    assert single(embed_model, kind, wrong) == single(embed_model, kind, bare)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cached", [False, True])
def test_a_missing_file_is_an_error_that_names_it_and_its_place(
    embed_model: SenseweaveEmbedding, kind: str, cached: bool, files: Any
) -> None:
    embed_model.embeddings_cache = SimpleKVStore() if cached else None
    with pytest.raises(sw.MediaError, match=r"no-such-file\.png \(item 5 of 6\): no such file"):
        batch(embed_model, kind, [*files[kind], files[kind][0], "no-such-file.png", files[kind][0]])


def test_a_text_equal_to_a_path_is_text(embed_model: SenseweaveEmbedding, space: sw.Space, files: Any) -> None:
    path = str(files["image"][0])
    assert embed_model.get_text_embedding(path) == space.embed_text([path])[0].tolist()
    assert embed_model.get_text_embedding(path) != embed_model.get_image_embedding(path)


def test_media_of_another_modality_are_refused(embed_model: SenseweaveEmbedding, files: Any) -> None:
    with pytest.raises(TypeError, match="expected image"):
        embed_model.get_image_embedding(sw.Audio(files["audio"][0]))


def test_a_modality_that_the_model_lacks_is_an_error_that_names_those_it_has(space: sw.Space, files: Any) -> None:
    words = SenseweaveEmbedding(space=sw.Space("words", {"text": space.encoders["text"]}))
    with pytest.raises(sw.UnsupportedModalityError, match="words cannot embed image; it embeds: text"):
        words.get_image_embedding(files["image"][0])


def test_files_outside_the_root_and_urls_are_refused(space: sw.Space, tmp_path: Path, files: Any) -> None:
    fenced = SenseweaveEmbedding(space=space, root=tmp_path / "inside")
    with pytest.raises(sw.PolicyError, match="root"):
        fenced.get_image_embedding(files["image"][0])
    with pytest.raises(sw.PolicyError):
        SenseweaveEmbedding(space=space).get_image_embedding("https://example.com/red.png")


@pytest.mark.parametrize("kind", ["text", "query", *KINDS])
def test_a_batch_is_one_forward_pass_and_one_event_of_each_kind(
    embed_model: SenseweaveEmbedding, space: sw.Space, kind: str, files: Any, listener: Listener, capfd: Any
) -> None:
    recorder = Recorder()
    embed_model.callback_manager = CallbackManager([recorder])
    items = [*files.get(kind, TEXTS[:3]), "a yellow thing" if kind in ("text", "query") else files[kind][0]]
    batch(embed_model, kind, items, show_progress=True)
    assert space.encoders["text" if kind == "query" else kind].batches == [3, 1]
    assert [type(event) for event in listener.events] == [EmbeddingStartEvent, EmbeddingEndEvent] * 2
    assert [len(event.embeddings) for event in listener.events[1::2]] == [3, 1]
    assert len(recorder.started) == 2
    assert [len(payload[EventPayload.EMBEDDINGS]) for payload in recorder.ended] == [3, 1]
    assert recorder.ended[0][EventPayload.CHUNKS] == [str(item) for item in items[:3]]
    assert "4/4" in capfd.readouterr().err


def test_events_name_bytes_by_their_hash_and_hold_no_secret(
    embed_model: SenseweaveEmbedding, files: Any, listener: Listener
) -> None:
    embed_model.load_options = {"api_key": "sk-very-secret"}
    data = files["image"][0].read_bytes()
    embed_model.get_image_embedding(io.BytesIO(data))
    assert listener.events[1].chunks == [sw.Image(data).source]
    assert "sk-very-secret" not in str([event.model_dump() for event in listener.events])
    assert "sk-very-secret" not in str(embed_model.to_dict())
    assert "sk-very-secret" not in repr(embed_model)


def test_no_inputs_give_no_vectors_and_no_events(embed_model: SenseweaveEmbedding, listener: Listener) -> None:
    assert embed_model.get_text_embedding_batch([]) == []
    assert embed_model.get_image_embedding_batch([]) == []
    assert listener.events == []


@pytest.mark.parametrize("kind", ["text", "query", *KINDS])
def test_the_cache_saves_computing_and_the_rate_limit_counts_what_is_computed(
    space: sw.Space, kind: str, files: Any
) -> None:
    turns = Turns()
    model = SenseweaveEmbedding(space=space, embeddings_cache=SimpleKVStore(), rate_limiter=turns)
    items = files.get(kind, TEXTS)
    first = batch(model, kind, [*items, items[0]])
    assert batch(model, kind, [*items, items[0]]) == first
    assert single(model, kind, items[1]) == first[1]
    assert space.encoders["text" if kind == "query" else kind].batches == [len(items)]
    assert turns.taken == 1


def test_the_cache_never_mixes_roles_modalities_models_or_parts(space: sw.Space, files: Any) -> None:
    cache = SimpleKVStore()
    model = SenseweaveEmbedding(space=space, embeddings_cache=cache)
    shorter = SenseweaveEmbedding(space=sw.Space("shorter", space.encoders, dimensions=8), embeddings_cache=cache)
    path = str(files["audio"][0])
    vectors = [
        model.get_text_embedding(path),
        model.get_query_embedding(path),
        model.get_audio_embedding(path),
        model.get_audio_embedding(path, role="query"),
        model.get_audio_embedding(sw.Audio(path, span=(0.0, 0.5))),
        shorter.get_text_embedding(path),
    ]
    assert len(cache.get_all("embeddings")) == len(vectors)
    assert len(vectors[-1]) == 8
    assert vectors[0] != vectors[1] != vectors[2]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_an_item_that_fails_is_named_by_its_place_among_all_not_among_those_that_the_cache_lacks(
    space: sw.Space, files: Any, asynchronous: bool
) -> None:
    model = SenseweaveEmbedding(space=space, embeddings_cache=SimpleKVStore())
    red, green, broken = files["image"]
    model.get_image_embedding_batch([red, green])
    broken.write_bytes(broken.read_bytes()[:60])
    given = [red, green, broken, red]
    with pytest.raises(sw.MediaError, match=r"image-blue \(item 3 of 4\): is a broken"):
        await model.aget_image_embedding_batch(given) if asynchronous else model.get_image_embedding_batch(given)


@pytest.mark.parametrize("kind", ["text", "query", *KINDS])
@pytest.mark.parametrize("single", ["a.jpg", b"bytes", Path("a.jpg"), sw.Image("a.jpg"), np.zeros((4, 4, 3)), 7])
async def test_a_single_item_in_place_of_a_list_is_an_error(
    embed_model: SenseweaveEmbedding, kind: str, single: Any
) -> None:
    with pytest.raises(TypeError, match=f"put the single {type(single).__name__} into a list"):
        getattr(embed_model, f"get_{kind}_embedding_batch")(single)
    with pytest.raises(TypeError, match=f"put the single {type(single).__name__} into a list"):
        await getattr(embed_model, f"aget_{kind}_embedding_batch")(single)


def test_a_file_that_changed_is_not_answered_from_the_cache(space: sw.Space, files: Any) -> None:
    model = SenseweaveEmbedding(space=space, embeddings_cache=SimpleKVStore())
    red, green = files["image"][:2]
    before = model.get_image_embedding(red)
    red.write_bytes(green.read_bytes())
    assert model.get_image_embedding(red) == model.get_image_embedding(green) != before


@pytest.mark.parametrize("kind", ["text", "query", *KINDS])
@pytest.mark.parametrize("many", [False, True])
async def test_async_sends_as_many_events_of_each_kind_as_sync(
    embed_model: SenseweaveEmbedding, kind: str, many: bool, files: Any, listener: Listener
) -> None:
    items = [*files.get(kind, TEXTS[:3]), files[kind][1] if kind in files else TEXTS[3]]
    name, given = (f"get_{kind}_embedding_batch", items) if many else (f"get_{kind}_embedding", items[0])
    seen = []
    for asynchronous in (False, True):
        recorder = Recorder()
        embed_model.callback_manager = CallbackManager([recorder])
        listener.events.clear()
        if asynchronous:
            await getattr(embed_model, f"a{name}")(given)
        else:
            getattr(embed_model, name)(given)
        told = sorted(tuple(payload[EventPayload.CHUNKS]) for payload in recorder.ended)
        heard = sorted(tuple(event.chunks) for event in listener.events if isinstance(event, EmbeddingEndEvent))
        seen.append((len(recorder.started), len(listener.events), told, heard))
    assert seen[0] == seen[1]
    assert seen[0][:2] == ((2, 4) if many else (1, 2))
    assert seen[0][2] == seen[0][3]
