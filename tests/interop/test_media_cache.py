"""Vectors and descriptions are kept in a byte store by content, and computed once for each."""

from __future__ import annotations

import pytest

from senseweave.errors import MediaError
from senseweave.interop import (
    DESCRIPTION,
    DIRECT,
    OFF_LOOP,
    VECTOR,
    Audio,
    Image,
    MediaCache,
    Text,
    content_cache_key,
    run_direct,
)


class Store:
    """A byte store of which one half is for event loops."""

    def __init__(self):
        self.values = {}
        self.awaited = 0

    def mget(self, keys):
        return [self.values.get(key) for key in keys]

    def mset(self, pairs):
        self.values.update(pairs)

    async def amget(self, keys):
        self.awaited += 1
        return self.mget(keys)

    async def amset(self, pairs):
        self.awaited += 1
        self.mset(pairs)


def key(media):
    return content_cache_key(media, "document", "space", "mine")


def computing(done):
    async def compute(media):
        done.extend(item.decode() for item in media)
        return [([float(len(item.decode())), 0.5], item.decode() if "a" in item.decode() else None) for item in media]

    return compute


def test_each_content_is_computed_once_and_all_kinds_come_back_as_they_were():
    store, done = Store(), []
    media = [Text("cat"), Text("bird", source="a"), Text("bird", source="b")]
    expected = [([3.0, 0.5], "cat"), ([4.0, 0.5], None), ([4.0, 0.5], None)]
    for _ in range(2):
        fetched = MediaCache(store, key).fetch(DIRECT, media, [VECTOR, DESCRIPTION], computing(done))
        assert run_direct(fetched) == expected
    assert done == ["cat", "bird"]
    assert (len(store.values), store.awaited) == (4, 0)


async def test_off_the_loop_the_store_is_awaited_and_a_value_without_its_companion_is_computed_again():
    store, done = Store(), []
    cache = MediaCache(store, key)
    await cache.fetch(OFF_LOOP, [Text("cat")], [VECTOR, DESCRIPTION], computing(done))
    assert store.awaited == 3
    del store.values[key(Text("cat")) + DESCRIPTION.suffix]
    await cache.fetch(OFF_LOOP, [Text("cat")], [VECTOR, DESCRIPTION], computing(done))
    assert done == ["cat", "cat"]


def test_media_without_a_key_are_an_error_or_leave_one_in_their_place(tmp_path):
    cache, media = MediaCache(Store(), key), [Text("cat"), Image(tmp_path / "missing.png")]
    with pytest.raises(MediaError, match=r"missing\.png \(item 2 of 2\)"):
        run_direct(cache.fetch(DIRECT, media, [VECTOR, DESCRIPTION], computing([])))
    kept, error = run_direct(cache.fetch(DIRECT, media, [VECTOR, DESCRIPTION], computing([]), on_error="skip"))
    assert kept[1] == "cat"
    assert isinstance(error, MediaError)


def test_a_key_tells_everything_apart_that_decides_a_vector(tmp_path):
    sound = tmp_path / "sound"
    sound.write_bytes(b"x")
    parts = [Text("x"), Text("x", page=1), Audio(sound), Audio(sound, span=(0, 1)), Audio(sound, span=(1, 2))]
    keys = {
        content_cache_key(media, role, space) for media in parts for role in ("query", "document") for space in "ab"
    }
    assert len(keys) == len(parts) * 4
    assert key(parts[3]).startswith("mine_space_audio_document_")
