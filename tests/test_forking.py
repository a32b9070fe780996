"""Locks, lazy values and models in forked children: free, made again, and equal to the parent's."""

import threading

import numpy as np
import pytest
from children import run_in_child
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.encoders.runtime.torch_runtime import Lazy
from senseweave.errors import VectorError
from senseweave.forking import Lock, RLock, forks
from senseweave.testing.toys import toy_space


@pytest.fixture
def held_elsewhere():
    """Hold a lock in another thread until the test ends."""
    ended = threading.Event()
    threads = []

    def hold(lock):
        holding = threading.Event()

        def work():
            with lock:
                holding.set()
                ended.wait(60)

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        assert holding.wait(10)

    yield hold
    ended.set()
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("make", [Lock, RLock])
def test_a_lock_that_another_thread_held_is_free_in_a_child_and_says_once_that_it_was_held(make, held_elsewhere):
    lock = make()
    held_elsewhere(lock)

    def child():
        with lock as torn:
            assert torn
        with lock as torn:
            assert not torn

    run_in_child(child)
    assert not lock.acquire(timeout=0.05)


def test_a_lock_that_was_free_is_free_and_intact_in_a_child_and_excludes_there():
    lock = Lock()

    def child():
        with lock as torn:
            assert not torn
            assert not lock.acquire(timeout=0.05)

    run_in_child(child)


def test_a_block_that_was_entered_before_the_fork_may_be_left_in_the_child():
    lock = RLock()
    with lock:

        def child():
            lock.release()
            with lock:
                pass

        run_in_child(child)


def test_the_same_thread_may_enter_a_reentrant_lock_twice():
    lock = RLock()
    with lock, lock:
        assert lock.acquire(timeout=0)
        lock.release()


def test_forks_are_counted_in_children_alone():
    before = forks()

    def child():
        assert forks() == before + 1
        run_in_child(lambda: None if forks() == before + 2 else 1 / 0)

    run_in_child(child)
    assert forks() == before


def test_a_value_that_cannot_be_used_after_a_fork_is_made_again_in_the_child_and_others_are_kept():
    made = []
    kept = Lazy(lambda: made.append("kept") or object())
    renewed = Lazy(lambda: made.append("renewed") or object(), survives_fork=False)
    first, other = kept(), renewed()

    def child():
        assert kept() is first
        assert renewed() is not other
        assert made == ["kept", "renewed", "renewed"]

    run_in_child(child)
    assert renewed() is other


def test_torch_computes_in_a_child_after_its_parent_used_many_threads():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        large = torch.randn(600, 600)
        (large @ large).exp().sum()  # starts OpenMP's threads, which a child does not have

        def child():
            assert torch.get_num_threads() == 1
            (large @ large).exp().sum()

        run_in_child(child)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.integration
def test_every_model_of_the_starter_works_in_a_child_forked_after_use(tmp_path):
    space = sw.load("starter", cache_size=0)
    rate = 16_000
    sound = (0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)).astype(np.float32)
    media = [sw.Text("a dog on the grass"), sw.Image(PillowImage.new("RGB", (64, 64), "red")), sw.Audio((sound, rate))]
    expected = space.embed(media)

    def child():
        np.testing.assert_allclose(space.embed(media), expected, atol=1e-4)

    run_in_child(child, 120)


@pytest.fixture
def forked_from_cuda(monkeypatch):
    """Let torch say that the parent of this process had used CUDA."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_child_of_a_process_that_used_cuda_says_so_before_it_loads_a_model_there(forked_from_cuda, device):
    space = sw.load("starter", device=device)
    with pytest.raises(sw.ModelError, match="forked from one that had used CUDA") as error:
        space.embed_image([PillowImage.new("RGB", (32, 32))])
    assert "'spawn'" in str(error.value)


def test_such_a_child_says_so_of_a_model_that_its_parent_has_loaded(forked_from_cuda):
    def forward(batch):
        raise RuntimeError("CUDA error: initialization error")

    space = toy_space()
    space.encoders["text"].forward = forward
    with pytest.raises(sw.ModelError, match="forked from one that had used CUDA"):
        space.embed_text(["word"])


CUDA_ERROR = "CUDA error: initialization error"


def fails_on_cuda(*arguments, **options):
    raise RuntimeError(CUDA_ERROR)


def test_such_a_child_says_so_of_what_describes_media(forked_from_cuda, monkeypatch):
    space = sw.load("starter", device="cpu")
    monkeypatch.setattr(space.encoder("image"), "observe", fails_on_cuda)
    with pytest.raises(sw.ModelError, match="forked from one that had used CUDA"):
        space.describe([sw.Image(PillowImage.new("RGB", (32, 32)))], on_error="skip")


def test_a_child_says_so_where_the_library_that_used_cuda_is_not_torch():
    space = toy_space()

    def child():
        space.encoders["text"].forward = fails_on_cuda
        with pytest.raises(sw.ModelError, match="forked from one that had used CUDA"):
            space.embed_text(["word"])

    run_in_child(child)
    space.encoders["text"].forward = fails_on_cuda
    with pytest.raises(RuntimeError, match=CUDA_ERROR):
        space.embed_text(["another word"])


def test_other_failures_of_a_model_on_the_cpu_are_what_they_are_in_such_a_child(forked_from_cuda):
    def forward(batch):
        raise IndexError("too short")

    space = toy_space()
    space.encoders["text"].forward = forward
    with pytest.raises(VectorError, match="too short"):
        space.embed_text(["word"])


def test_such_a_child_computes_on_the_cpu(forked_from_cuda):
    assert sw.load("starter", device="cpu").embed_image([PillowImage.new("RGB", (32, 32))]).shape == (1, 384)
