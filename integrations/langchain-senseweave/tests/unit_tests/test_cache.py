"""Behaviour of MediaCacheBackedEmbeddings."""

from __future__ import annotations

import re
import shutil

import pytest
from langchain_core.stores import InMemoryByteStore

from langchain_senseweave import (
    MediaCacheBackedEmbeddings,
    SenseweaveChroma,
    SenseweaveEmbeddings,
    document_from_media,
)
from senseweave import Audio, Image, MediaError, Text
from senseweave.encoders.observation import Transcript
from senseweave.interop import find_word


class Counting(SenseweaveEmbeddings):
    """Counts what is really computed."""

    computed: int = 0

    def embed_media(self, media, *, role="document"):
        self.computed += len(media)
        return super().embed_media(media, role=role)

    async def aembed_media(self, media, *, role="document"):
        self.computed += len(media)
        return await super().aembed_media(media, role=role)


@pytest.fixture
def counting(space):
    return Counting(model=space)


@pytest.fixture
def cached(counting):
    return MediaCacheBackedEmbeddings(counting, InMemoryByteStore())


def test_vectors_from_the_store_are_those_that_were_computed(cached, counting, red_png, tone_wav, clip_mp4):
    for method, items in [("embed_image", [red_png]), ("embed_audio", [tone_wav]), ("embed_video", [clip_mp4])]:
        first = getattr(cached, method)(items)
        before = counting.computed
        assert getattr(cached, method)(items) == first == getattr(counting, method)(items)
        assert counting.computed == before + 1  # by the direct call alone
    assert cached.embed_documents(["dog"]) == cached.embed_documents(["dog"]) == counting.embed_documents(["dog"])


def test_each_content_is_computed_once_in_a_call(cached, counting):
    vectors = cached.embed_documents(["dog", "cat", "dog"])
    assert counting.computed == 2
    assert vectors[0] == vectors[2] != vectors[1]
    assert vectors == counting.embed_documents(["dog", "cat", "dog"])


def test_query_and_document_are_kept_apart(cached, counting):
    document, query = cached.embed_documents(["dog"])[0], cached.embed_query("dog")
    assert query == counting.embed_query("dog") != document


def test_a_renamed_file_is_found_and_a_changed_one_is_not(cached, counting, red_png, blue_png, tmp_path):
    cached.embed_image([red_png])
    shutil.copy(red_png, tmp_path / "renamed.png")
    cached.embed_image([tmp_path / "renamed.png"])
    assert counting.computed == 1
    shutil.copy(blue_png, red_png)
    assert cached.embed_image([red_png]) == counting.embed_image([blue_png])
    assert counting.computed == 3


def test_spans_and_modalities_of_one_file_are_kept_apart(cached, counting, tone_wav):
    pieces = [Audio(tone_wav), Audio(tone_wav, span=(0, 1)), Audio(tone_wav, span=(1, 2)), Text("tone")]
    assert cached.embed_media(pieces) == counting.embed_media(pieces)
    assert len({cached.cache_key(piece) for piece in pieces}) == 4


def test_another_model_on_the_same_store_does_not_answer(make_space):
    store = InMemoryByteStore()
    first, second = (MediaCacheBackedEmbeddings(SenseweaveEmbeddings(model=make_space(seed)), store) for seed in (1, 2))
    assert first.embed_query("dog") != second.embed_query("dog")
    assert len(list(store.yield_keys())) == 2


def test_keys_are_fit_for_file_names(cached, tone_wav):
    cached.embed_media([Audio(tone_wav, span=(0.5, 1.25)), Text("x")])
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-/]+", key) for key in cached.store.yield_keys())


async def test_async_methods_agree_with_sync_methods_and_share_the_store(cached, counting, red_png):
    vectors = await cached.aembed_image([red_png, red_png])
    assert counting.computed == 1
    assert cached.embed_image([red_png, red_png]) == vectors
    assert await cached.aembed_query("dog") == cached.embed_query("dog")
    assert counting.computed == 2


def test_descriptions_are_kept_too(space, red_png, tone_wav):
    class Describing(SenseweaveEmbeddings):
        described: int = 0

        def describe_media(self, media, *, on_error="raise"):
            self.described += len(media)
            return ["red" if item.modality == "image" else None for item in media]

    describing = Describing(model=space)
    cached = MediaCacheBackedEmbeddings(describing, InMemoryByteStore())
    media = [Image(red_png), Audio(tone_wav), Image(red_png)]
    assert cached.describe_media(media) == cached.describe_media(media) == ["red", None, "red"]
    assert describing.described == 2
    assert cached.describe_media([Image("missing.png"), *media], on_error="skip") == [None, "red", None, "red"]


def test_the_times_of_words_are_kept_and_stand_in_documents(space, tone_wav):
    class Hearing(SenseweaveEmbeddings):
        def describe_media(self, media, *, on_error="raise"):
            return [Transcript("Good morning.", (("Good", 0.25), ("morning.", 0.5))) for _ in media]

    cached = MediaCacheBackedEmbeddings(Hearing(model=space), InMemoryByteStore())
    part = Audio(tone_wav, span=(0.5, 1.0))
    for _ in range(2):
        document = document_from_media(part, cached.describe_media([part])[0])
        assert find_word(document.metadata, "morning") == 1.0
        assert document.page_content.startswith("Good morning. (audio ")


async def test_an_item_that_fails_is_named_by_its_place_among_all_not_among_those_that_the_store_lacks(
    cached, red_png, blue_png, tmp_path
):
    broken = tmp_path / "broken.png"
    broken.write_bytes(red_png.read_bytes()[:60])
    cached.embed_image([red_png])
    given = [red_png, red_png, broken, blue_png]
    with pytest.raises(MediaError, match=r"broken\.png \(item 3 of 4\)"):
        cached.embed_image(given)
    with pytest.raises(MediaError, match=r"broken\.png \(item 3 of 4\)"):
        await cached.aembed_image(given)
    for ask in (cached.describe_media, cached.embed_described):
        with pytest.raises(MediaError, match=r"broken\.png \(item 3 of 4\)"):
            ask([Image(path) for path in given])
        with pytest.raises(MediaError, match=r"missing\.png \(item 2 of 2\)"):
            ask([Image(red_png), Image("missing.png")])


def test_it_can_be_made_like_the_cache_for_text(counting):
    cached = MediaCacheBackedEmbeddings.from_bytes_store(counting, InMemoryByteStore(), namespace="mine")
    cached.embed_documents(["dog"])
    assert all(key.startswith("mine_") for key in cached.store.yield_keys())


def test_it_serves_a_store_like_what_is_behind_it(cached, counting, red_png, tmp_path):
    store = SenseweaveChroma("cached", cached, persist_directory=str(tmp_path / "db"))
    store.add_media([red_png])
    assert store.similarity_search_by_image(red_png, k=1)
    again = SenseweaveChroma("cached", counting, persist_directory=str(tmp_path / "db"))
    assert len(again.get()["ids"]) == 1


@pytest.mark.parametrize("key_encoder", [None, "sha256", "blake2b", str.upper])
async def test_keys_can_be_encoded_as_cache_backed_embeddings_does(counting, red_png, key_encoder):
    kept = InMemoryByteStore()
    cached = MediaCacheBackedEmbeddings.from_bytes_store(counting, kept, key_encoder=key_encoder)
    first = cached.embed_image([red_png]), cached.embed_query("dog")
    computed = counting.computed
    assert (await cached.aembed_image([red_png]), await cached.aembed_query("dog")) == first
    assert counting.computed == computed
    if key_encoder == "sha256":
        assert all(re.fullmatch("[0-9a-f]{64}", key) for key in kept.yield_keys())


def test_a_namespace_and_a_function_of_keys_or_an_unknown_hash_are_errors(counting):
    with pytest.raises(ValueError, match="not both"):
        MediaCacheBackedEmbeddings.from_bytes_store(counting, InMemoryByteStore(), namespace="a", key_encoder=str)
    with pytest.raises(ValueError, match="key_encoder"):
        MediaCacheBackedEmbeddings.from_bytes_store(counting, InMemoryByteStore(), key_encoder="md5")


async def test_queries_are_kept_where_the_caller_says(counting):
    documents, queries = InMemoryByteStore(), InMemoryByteStore()
    cached = MediaCacheBackedEmbeddings.from_bytes_store(counting, documents, query_embedding_cache=queries)
    assert cached.embed_query("dog") == cached.embed_query("dog")
    assert (len(list(documents.yield_keys())), len(list(queries.yield_keys())), counting.computed) == (0, 1, 1)
    uncached = MediaCacheBackedEmbeddings.from_bytes_store(counting, documents, query_embedding_cache=False)
    assert uncached.embed_query("dog") == await uncached.aembed_query("dog")
    assert (len(list(documents.yield_keys())), counting.computed) == (0, 3)


def test_a_call_that_ends_early_keeps_the_batches_before(counting, red_png, blue_png, tmp_path):
    (tmp_path / "broken.png").write_bytes(red_png.read_bytes()[:60])
    kept = InMemoryByteStore()
    cached = MediaCacheBackedEmbeddings.from_bytes_store(counting, kept, batch_size=1)
    with pytest.raises(MediaError, match=r"broken\.png.*item 3 of 3"):
        cached.embed_image([red_png, blue_png, tmp_path / "broken.png"])
    assert len(list(kept.yield_keys())) == 2


def test_empty_lists_ask_nothing(cached, counting):
    assert cached.embed_documents([]) == cached.embed_image([]) == cached.embed_described([]) == []
    assert counting.computed == 0
