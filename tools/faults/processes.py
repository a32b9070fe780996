"""Forked children that may be killed, crash or hang, and what became of them."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Tell = Callable[[Any], None]
"""Sends a value to the parent."""
Ending = Literal["done", "failed", "crashed", "hung", "killed"]


@dataclass
class Outcome:
    """How a child ended.

    Attributes:
        ending: `done`; `failed` with an exception; `crashed` by a signal; `hung` past its time; `killed` on purpose.
        value: What its function returned, or the traceback of what it raised.
    """

    ending: Ending
    value: Any = None

    def __str__(self) -> str:
        return f"{self.ending}: {self.value}" if self.ending in ("failed", "crashed") else self.ending


class Child:
    """A forked child that calls a function with a way to tell its parent something."""

    def __init__(self, work: Callable[[Tell], Any]) -> None:
        """Fork; the child is a group of processes of its own, so that a kill reaches what it starts."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._read, write = os.pipe()
        self.told: list[Any] = []
        self._rest = b""
        self._ended = False
        self.pid = os.fork()
        if not self.pid:
            os.close(self._read)
            _call(work, write)
        os.close(write)

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait until the child has told something, and return whether it did."""
        return self._listen(time.monotonic() + seconds, lambda: bool(self.told))

    def kill_after(self, seconds: float) -> Outcome:
        """Kill the child after some seconds, unless it ends by itself, and return its end."""
        if self._listen(time.monotonic() + seconds, lambda: self._ended):
            return self.finish(60)
        self.kill()
        return Outcome("killed")

    def finish(self, seconds: float) -> Outcome:
        """Wait for the end of the child, which is killed if it takes longer than some seconds."""
        if not self._listen(time.monotonic() + seconds, lambda: self._ended):
            self.kill()
            return Outcome("hung")
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self._read)
        last = self.told.pop() if self.told and isinstance(self.told[-1], dict) and "end" in self.told[-1] else None
        if code < 0 or last is None:
            return Outcome("crashed", f"exit code {code}")
        return Outcome("done" if code == 0 else "failed", last["end"])

    def kill(self) -> None:
        """Kill the child and what it has started, and read what it told before."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._listen(time.monotonic() + 5, lambda: self._ended)
        os.close(self._read)

    def _listen(self, deadline: float, enough: Callable[[], bool]) -> bool:
        while not enough():
            left = deadline - time.monotonic()
            if left <= 0 or self._ended or not select.select([self._read], [], [], left)[0]:
                return enough()
            data = os.read(self._read, 1 << 16)
            self._ended = not data
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.told += [json.loads(line) for line in lines]
        return True


def run(work: Callable[[], Any], seconds: float) -> Outcome:
    """Call a function in a child and return how that ended, with what it returned."""
    return Child(lambda tell: work()).finish(seconds)


def _call(work: Callable[[Tell], Any], pipe: int) -> None:
    """Call a function in the child, and end the process."""
    os.setsid()

    def tell(value: Any) -> None:
        data = json.dumps(value).encode() + b"\n"
        while data:
            data = data[os.write(pipe, data) :]

    try:
        tell({"end": work(tell)})
        os._exit(0)
    except BaseException:
        tell({"end": traceback.format_exc()[-1500:]})
        os._exit(3)
