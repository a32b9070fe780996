"""Calls written once: their steps, their cache, the items that they take, and the positions of their errors."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

import senseweave as sw
from senseweave.interop import (
    DIRECT,
    OFF_LOOP,
    EmbeddedItem,
    embed_readable,
    fetch_or_compute,
    list_items,
    progress_bar,
    read_each,
    require_all,
    run_direct,
)


async def upper(steps, text):
    async def twin(text):
        return f"async {text}"

    return await steps.work(str.upper, text), await steps.ask(lambda text: f"sync {text}", twin, text)


def test_one_coroutine_is_the_sync_and_the_async_call():
    assert run_direct(upper(DIRECT, "a")) == ("A", "sync a")
    assert asyncio.run(upper(OFF_LOOP, "a")) == ("A", "async a")


def test_work_off_the_loop_is_done_in_another_thread():
    thread = asyncio.run(OFF_LOOP.work(threading.get_ident))
    assert thread != threading.get_ident() == run_direct(DIRECT.work(threading.get_ident))


def test_a_direct_call_that_waits_is_an_error():
    with pytest.raises(RuntimeError, match="must not wait"):
        run_direct(asyncio.sleep(0))


@pytest.mark.parametrize("single", ["a", b"a", Path("a"), sw.Text("a"), np.zeros(3), 7, range(3)])
def test_a_single_item_in_place_of_a_list_is_refused(single):
    with pytest.raises(TypeError, match=f"embed takes a list of texts; put the single {type(single).__name__}"):
        list_items(single, "embed", what="texts", single=(range,))


def test_items_of_any_iterable_become_a_list():
    assert list_items((item for item in "ab"), "embed") == ["a", "b"]


def read(item: str) -> str:
    if item == "bad":
        raise sw.MediaError(item, "is bad")
    return item.upper()


def test_what_cannot_be_read_is_named_by_its_position():
    with pytest.raises(sw.MediaError, match=r"bad \(item 2 of 3\): is bad"):
        read_each(read, ["a", "bad", "c"])
    first, error, last = read_each(read, ["a", "bad", "c"], on_error="skip")
    assert (first, str(error), last) == ("A", "bad (item 2 of 3): is bad", "C")
    with pytest.raises(sw.MediaError, match="item 2 of 3"):
        require_all([first, error, last])
    assert require_all([first, last]) == ["A", "C"]


def test_errors_of_another_kind_are_caught_where_that_is_wanted():
    def refuse(item):
        raise sw.UnsupportedModalityError("the model", item, ["text"])

    with pytest.raises(sw.UnsupportedModalityError):
        read_each(refuse, ["image"], on_error="skip")
    (error,) = read_each(refuse, ["image"], on_error="skip", catch=sw.SenseweaveError)
    assert error.modality == "image"


async def embed_texts(media):
    return [
        sw.MediaError("silent", "is bad", position=position) if item.decode() == "silent" else EmbeddedItem([1.0], None)
        for position, item in enumerate(media)
    ]


def test_what_can_be_read_is_embedded_and_errors_keep_the_place_of_their_item():
    unread = sw.MediaError("b", "is bad", position=0, total=3)
    items = [unread, sw.Text("a"), sw.Text("silent")]
    first, second, third = run_direct(embed_readable(items, embed_texts))
    assert (first, second) == (unread, EmbeddedItem([1.0], None))
    assert str(third) == "silent (item 3 of 3): is bad"


def test_an_error_while_embedding_has_its_position_among_all_items():
    async def fail(media):
        raise sw.MediaError("c", "is bad", position=1)

    items = [sw.MediaError("b", "is bad"), sw.Text("a"), sw.Text("c")]
    with pytest.raises(sw.MediaError, match="item 3 of 3"):
        run_direct(embed_readable(items, fail))


class Cache(dict):
    """Upper-cased texts, computed where they are not kept."""

    def __init__(self, **kept: str) -> None:
        super().__init__(kept)
        self.computed: list[str] = []

    async def fetch(self, keys):
        return {key: self[key] for key in keys if key in self}

    async def compute(self, media):
        texts = [item.decode() for item in media]
        self.computed += texts
        return require_all(read_each(read, texts))

    async def keep(self, new):
        self.update(new)

    def values_for(self, texts, keys=None):
        media = [sw.Text(text) for text in texts]
        return run_direct(fetch_or_compute(media, keys or texts, self.fetch, self.compute, self.keep))


def test_only_what_the_cache_lacks_is_computed_and_each_content_once():
    cache = Cache(a="kept")
    assert cache.values_for(["a", "b", "c", "b"]) == ["kept", "B", "C", "B"]
    assert cache.computed == ["b", "c"]
    assert cache.values_for(["c", "b"]) == ["C", "B"]
    assert cache.computed == ["b", "c"]


def test_an_error_while_computing_has_its_position_among_all_media():
    with pytest.raises(sw.MediaError, match="item 3 of 4"):
        Cache(a="kept").values_for(["a", "b", "bad", "a"])


def test_media_without_a_key_keep_their_error_and_are_not_computed():
    error, cache = sw.MediaError("b", "cannot be read"), Cache()
    assert cache.values_for(["a", "b"], ["a", error]) == ["A", error]
    assert cache.computed == ["a"]


def test_a_progress_bar_is_shown_on_request(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as far as rich knows
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    sound = sw.Audio((np.zeros(8000 * 65, np.float32), 8000))
    items = [sound, sw.Text("a note"), sw.MediaError("cut.jpg", "is broken")]
    with progress_bar("embedding", items, shown=False) as progress:
        assert progress is None
    with progress_bar("embedding", items) as progress:
        progress(1, 2)
    shown = capfd.readouterr().err
    assert "embedding" in shown
    assert "1 of 2, 1 of about 2 chunks (" in shown
    assert "1:05 of sound and video, 1 failed" in shown
