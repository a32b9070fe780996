"""The devices of a space: one batch at a time computes on each, and a batch goes where the fewest wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from senseweave.concurrency import Pool, settle
from senseweave.display import shorten
from senseweave.encoders.base import Encoder
from senseweave.errors import EncodingError, ModelError
from senseweave.forking import Lock, forks
from senseweave.media import Modality

T = TypeVar("T")
B = TypeVar("B")

BATCHES_AHEAD: Final = 2
"""Batches of a call that a device has at a time: one that computes, and one that waits, so that it never idles."""


@dataclass(frozen=True)
class Replica:
    """The encoders of a space on one of several devices.

    Attributes:
        device: Name of the device, such as `cuda:1`.
        encoders: The encoder of each modality there.
        check: Called before any encoder of the space is loaded; raises an error if the device is not there.
    """

    device: str
    encoders: Mapping[Modality, Encoder]
    check: Callable[[], None] | None = None


@dataclass(frozen=True)
class Task(Generic[T]):
    """A computation on one of several devices, which was begun.

    Attributes:
        device: Number of the device.
        future: What it returns.
    """

    device: int
    future: Future[T]


class Devices:
    """What computes on the devices of a space: the calling thread where there is one device, else a thread for each."""

    def __init__(self, replicas: Sequence[Replica] = ()) -> None:
        """Describe the devices; threads start when they are needed.

        Args:
            replicas: On each of several devices; none where there is one, whatever it is.
        """
        names = self.names = tuple(replica.device for replica in replicas)
        self._checks = [replica.check for replica in replicas]
        self._computing = Lock()
        self._counting = Lock()
        self._pools = [Pool(f"senseweave-device-{name}", 1, drops=False) for name in names]
        self._forks = forks()
        self._waiting = [0] * len(names)
        self._turn = 0

    @property
    def count(self) -> int:
        """The number of devices."""
        return max(1, len(self.names))

    def compute(self, call: Callable[[int], T], device: int) -> T:
        """Return what a call computes on a device, which nothing else uses meanwhile.

        Args:
            call: The computation, given the number of the device.
            device: That number, from 0.
        """
        if self.names:
            return self.start(call, device).future.result()
        with self._computing:
            return call(device)

    def start(self, call: Callable[[int], T], device: int | None = None) -> Task[T]:
        """Let one of several devices compute in its thread.

        Args:
            call: The computation, given the number of the device.
            device: That number; None for the device for which the fewest calls wait.
        """
        number = self._count_in(device)
        context = copy_context()

        def run() -> T:
            with on_device(self.names[number]):
                return call(number)

        try:
            future = self._pools[number].submit(lambda: context.run(run))
        except RuntimeError:  # the process ends and starts no threads; one of its own that still computes goes on
            future = Future()
            with self._computing:
                settle(future, run)
        except BaseException:
            self._count_out(number)
            raise
        future.add_done_callback(lambda done: self._count_out(number))
        return Task(number, future)

    def check(self) -> None:
        """Check that each of several devices is there, before the first takes the time to load a model.

        Raises:
            ValueError: If one is not.
        """
        for device, check in enumerate(self._checks):
            if check is not None:
                with self.loading(device):
                    check()
        self._checks.clear()

    def loading(self, device: int) -> AbstractContextManager[None]:
        """Return a block in which an encoder is loaded; its errors name the device where there are several."""
        return on_device(self.names[device]) if self.names else nullcontext()

    def close(self) -> None:
        """End the threads after the calls already queued; the next call starts new threads."""
        for pool in self._pools:
            pool.close()

    def _count_in(self, device: int | None) -> int:
        with self._counting:
            if self._forks != forks():  # what waits in the parent does not wait here
                self._forks, self._waiting = forks(), [0] * len(self.names)
            if device is None:  # of those for which as few wait, the one whose turn it is
                ordered = [*range(self._turn, self.count), *range(self._turn)]
                device = min(ordered, key=self._waiting.__getitem__)
                self._turn = (device + 1) % self.count
            self._waiting[device] += 1
            return device

    def _count_out(self, device: int) -> None:
        with self._counting:
            self._waiting[device] -= 1


class InFlight(Generic[B, T]):
    """Batches that several devices compute, a bounded number of them, and their results in the order of the batches."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices
        self._begun: deque[tuple[B, Task[T]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._begun)

    @property
    def is_full(self) -> bool:
        """Whether there are as many batches as there should be at a time."""
        return len(self._begun) >= BATCHES_AHEAD * self._devices.count

    def begin(self, batch: B, call: Callable[[int], T]) -> None:
        """Let a device compute a batch."""
        self._begun.append((batch, self._devices.start(call)))

    def first(self) -> tuple[B, Task[T]]:
        """Take the batch that was begun first, with its task."""
        return self._begun.popleft()

    def stop(self) -> Iterator[tuple[B, T]]:
        """Drop what no device has begun, and yield what was or is still being computed without failing."""
        left = [(batch, task.future) for batch, task in self._begun if not task.future.cancel()]
        self._begun.clear()
        wait([future for _, future in left])
        for batch, future in left:
            if future.exception() is None:
                yield batch, future.result()


@contextmanager
def on_device(name: str) -> Iterator[None]:
    """Let errors say on which of several devices they were, inside a `with` block.

    Raises:
        EncodingError: In place of one without the device.
        ModelError: In place of what torch raises, as for a device without memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        msg = f"device {name!r}: {type(error).__name__}: {shorten(str(error), 500)}"
        raise ModelError(msg) from error
    except Exception as error:
        if type(error) is EncodingError:
            msg = f"{error} (on device {name!r})"
            raise EncodingError(msg) from error
        error.add_note(f"on device {name!r}")
        raise
