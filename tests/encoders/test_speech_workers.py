"""A recognizer of several workers writes what one of one worker writes, with as many threads as it is allowed."""

import threading

import pytest

import senseweave as sw
from senseweave.encoders.bridges import speech_workers
from senseweave.encoders.bridges.faster_whisper import FasterWhisper
from senseweave.encoders.bridges.speech_workers import MOST_WORKERS, SMALL_BYTES, at_once, share_threads, usable_workers
from senseweave.encoders.parts.starter_weights import WHISPER_TINY
from senseweave.encoders.runtime.onnx_session import count_cores

RATE = 16_000


def allow(monkeypatch, threads):
    monkeypatch.setattr(speech_workers, "compute_threads", lambda: threads)


@pytest.mark.parametrize(
    ("threads", "weight_bytes", "shares"),
    [
        (1, SMALL_BYTES, (1, 1)),
        (2, SMALL_BYTES, (2, 1)),
        (64, SMALL_BYTES, (MOST_WORKERS, 1)),
        (1, SMALL_BYTES + 1, (1, 1)),
        (2, SMALL_BYTES + 1, (1, 2)),
        (7, SMALL_BYTES + 1, (1, 4)),
        (16, SMALL_BYTES + 1, (4, 4)),
    ],
)
def test_small_models_get_a_worker_for_each_thread_and_large_ones_threads(threads, weight_bytes, shares, monkeypatch):
    allow(monkeypatch, threads)
    assert share_threads(weight_bytes) == shares


@pytest.mark.integration
@pytest.mark.parametrize("padding", ["exact", "short"])
def test_workers_write_what_one_writes(padding, corpus, monkeypatch):
    files = sorted((corpus / "audio").iterdir())
    windows = [part.decode(sampling_rate=RATE) for file in files for part in sw.Audio(file).windows(15.0)]
    allow(monkeypatch, 3)
    several = FasterWhisper(WHISPER_TINY, padding=padding)
    assert usable_workers(several._model()) == several._model().model.num_workers == 3
    found = several.transcribe_batch(windows, [None] * len(windows))
    allow(monkeypatch, 1)
    assert usable_workers(several._model()) == 1  # as after torch.set_num_threads(1)
    one = FasterWhisper(WHISPER_TINY, padding=padding)
    assert one._model().model.num_workers == 1
    expected = one.transcribe_batch(windows, [None] * len(windows))
    assert found == expected
    assert any(found)
    assert [said.words for said in found] == [said.words for said in expected]
    assert several.identity() == one.identity()


def test_calls_run_at_the_same_time_and_keep_their_order():
    meet = threading.Barrier(2, timeout=60)
    assert at_once([lambda: meet.wait() < 2, lambda: meet.wait() < 2, lambda: 3], 2) == [True, True, 3]


def test_no_more_calls_run_at_once_than_there_are_workers():
    running, most, lock = set(), [], threading.Lock()

    def call(place):
        with lock:
            running.add(place)
            most.append(len(running))
        threading.Event().wait(0.002)
        with lock:
            running.discard(place)
        return place

    assert at_once([lambda place=place: call(place) for place in range(20)], 2) == list(range(20))
    assert max(most) <= 2


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("at", [0, 3, 9])
def test_an_error_in_any_call_is_raised_when_the_others_have_ended(workers, at):
    running = set()

    def call(place):
        running.add(place)
        try:
            if place == at:
                raise ValueError(f"window {place}")
        finally:
            running.discard(place)

    with pytest.raises(ValueError, match=f"window {at}"):
        at_once([lambda place=place: call(place) for place in range(10)], workers)
    assert not running


def test_a_caller_does_not_wait_for_threads_that_are_busy_for_others():
    end, begun = threading.Event(), threading.Semaphore(0)

    def occupy():
        begun.release()
        assert end.wait(60)

    cores = count_cores()
    others = [threading.Thread(target=at_once, args=([occupy] * 2, 2)) for _ in range(cores)]  # all of the pool
    for other in others:
        other.start()
    for _ in range(2 * cores):
        assert begun.acquire(timeout=60)
    assert at_once([lambda: 1, lambda: 2], 2) == [1, 2]
    assert not end.is_set()
    end.set()
    for other in others:
        other.join()


def test_nothing_to_do_is_nothing():
    assert at_once([], 4) == []
