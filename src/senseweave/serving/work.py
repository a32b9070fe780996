"""Threads of a server's own for files and pictures, so that searches never wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from senseweave.concurrency import Pool, run_in

P = ParamSpec("P")
T = TypeVar("T")

FILES: Final = Pool("senseweave-serve")


async def off_loop(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a thread and return what it returns."""
    return await run_in(FILES, function, *args, **kwargs)
