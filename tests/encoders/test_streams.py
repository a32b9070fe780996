"""Streams: shares of equal work, in order, on their own threads, also after a fork."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import wait

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from senseweave.encoders.runtime import streams
from senseweave.encoders.runtime.streams import LEAST_SHARE, divide_texts, run_streams


@given(st.lists(st.integers(1, 600), min_size=1, max_size=60), st.integers(1, 16))
def test_shares_cover_every_text_once_in_order(lengths, threads):
    shares = divide_texts(lengths, threads)
    places = [place for share in shares for place in range(*share.indices(len(lengths)))]
    assert places == list(range(len(lengths)))
    assert 1 <= len(shares) <= threads
    assert all(share.stop > share.start for share in shares)


def test_shares_have_about_equal_tokens():
    lengths = list(range(200, 20, -1))
    tokens = [sum(lengths[share]) for share in divide_texts(lengths, 4)]
    assert len(tokens) == 4
    assert max(tokens) - min(tokens) <= 2 * max(lengths)


def test_few_tokens_are_not_divided():
    assert divide_texts([LEAST_SHARE], 8) == [slice(0, 1)]
    assert len(divide_texts([10] * 40, 8)) == 1
    assert len(divide_texts([LEAST_SHARE // 4] * 8, 8)) == 2


def test_streams_share_out_the_threads_of_the_caller_and_give_them_back():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        found = run_streams(lambda share: (share, torch.get_num_threads(), torch.is_inference_mode_enabled()), [1, 2])
        assert found == [(1, 2, True), (2, 2, True)]
        assert torch.get_num_threads() == 4
        born_later: list[int] = []
        thread = threading.Thread(target=lambda: born_later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert born_later == [4]
    finally:
        torch.set_num_threads(before)


def test_an_error_in_a_stream_reaches_the_caller_who_keeps_the_threads():
    before = torch.get_num_threads()

    def fail(share):
        raise RuntimeError(f"share {share}")

    with pytest.raises(RuntimeError, match="share 1"):
        run_streams(fail, [1, 2])
    later: list[int] = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert torch.get_num_threads() == before
    assert later == [before]


def test_a_caller_who_is_interrupted_keeps_the_threads(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(4)

    def interrupted(futures):
        wait(futures)
        raise KeyboardInterrupt

    monkeypatch.setattr(streams, "wait", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_streams(str, [1, 2])
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [4]
        monkeypatch.undo()
        assert run_streams(str, [1, 2]) == ["1", "2"]
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_streams_of_its_own():
    run_streams(str, [1, 2])
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=lambda: results.put(run_streams(str, [1, 2])))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert results.get() == ["1", "2"]
