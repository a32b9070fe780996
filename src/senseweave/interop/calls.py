"""Calls that an embedding model answers: written once for sync and async, through a cache, with errors in place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Any, TypeVar, overload

import numpy as np

from senseweave.concurrency import in_thread
from senseweave.errors import MediaError, SenseweaveError, placed_among
from senseweave.media import Media
from senseweave.progress import Counter, shown_progress
from senseweave.spaces.batch import EmbeddedItem
from senseweave.spaces.engine import OnError

T = TypeVar("T")
E = TypeVar("E", bound=SenseweaveError)


class Steps:
    """The steps of a call that is written once, as a coroutine: taken in this thread, or off the event loop."""

    def __init__(self, *, asynchronous: bool) -> None:
        self.asynchronous = asynchronous

    async def work(self, function: Callable[..., T], *args: Any) -> T:
        """Return `function(*args)`, computed in a thread where an event loop must not be held up."""
        return await in_thread(function, *args) if self.asynchronous else function(*args)

    async def ask(self, function: Callable[..., T], twin: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        """Return what a function gives, or its async twin where the call is async."""
        return await twin(*args, **options) if self.asynchronous else function(*args, **options)


DIRECT = Steps(asynchronous=False)
OFF_LOOP = Steps(asynchronous=True)


def run_direct(call: Coroutine[Any, Any, T]) -> T:
    """Run a call whose steps are `DIRECT` to its end, without an event loop.

    Raises:
        RuntimeError: If a step of it waits for something.
    """
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    call.close()
    msg = "a call with direct steps must not wait; take its steps by `Steps.work` and `Steps.ask`"
    raise RuntimeError(msg)


def list_items(items: Any, method: str, *, what: str = "items", single: tuple[type, ...] = ()) -> list[Any]:
    """Return the items that a method was given as a list.

    Args:
        items: What was given.
        method: What the error calls the method.
        what: What the error calls the items.
        single: Types of the framework that are one item although they can be iterated over.

    Raises:
        TypeError: If it is one item: a string, path, bytes, media or array of numbers, or nothing to iterate over.
    """
    is_array = isinstance(items, np.ndarray) and items.dtype != object
    one = isinstance(items, (str, bytes, bytearray, PathLike, Media, *single))
    if one or is_array or not isinstance(items, Iterable):
        msg = f"{method} takes a list of {what}; put the single {type(items).__name__} into a list"
        raise TypeError(msg)
    return list(items)


@overload
def read_each(
    read: Callable[[Any], T], items: Sequence[Any], *, on_error: OnError = "raise"
) -> list[T | MediaError]: ...


@overload
def read_each(
    read: Callable[[Any], T], items: Sequence[Any], *, on_error: OnError = "raise", catch: type[E]
) -> list[T | E]: ...


def read_each(
    read: Callable[[Any], T],
    items: Sequence[Any],
    *,
    on_error: OnError = "raise",
    catch: type[SenseweaveError] = MediaError,
) -> list[Any]:
    """Return what a function makes of each item, and where it fails an error with the position of the item.

    Args:
        read: Makes something of an item.
        items: The items.
        on_error: `skip` to return the error in the place of an item that cannot be read.
        catch: The errors that are returned; others are raised in any case.

    Raises:
        SenseweaveError: With `on_error="raise"`, for the first item that cannot be read.
    """
    results: list[Any] = []
    for position, item in enumerate(items):
        try:
            with placed_among([position], len(items)):
                results.append(read(item))
        except catch as error:
            if on_error == "raise":
                raise
            results.append(error)
    return results


async def embed_readable(
    read: Sequence[Media | E],
    embed: Callable[[list[Media]], Awaitable[Sequence[EmbeddedItem | MediaError]]],
) -> list[EmbeddedItem | MediaError | E]:
    """Return what was made of each item that could be read, and in place of each other the error that says why.

    Args:
        read: What `read_each` returned of the items.
        embed: Embeds the media among them; its errors get the positions among all items.
    """
    done: dict[int, Any] = dict(enumerate(read))
    positions = [position for position, item in done.items() if isinstance(item, Media)]
    with placed_among(positions, len(read)):
        outcomes = await embed([done[position] for position in positions])
    for position, outcome in zip(positions, outcomes, strict=True):
        done[position] = outcome.at(position, len(read)) if isinstance(outcome, MediaError) else outcome
    return list(done.values())


def require_all(results: Iterable[T | MediaError]) -> list[T]:
    """Return results of which none is an error.

    Raises:
        MediaError: The first of them that is an error.
    """
    done = []
    for result in results:
        if isinstance(result, MediaError):
            raise result
        done.append(result)
    return done


async def fetch_or_compute(
    media: Sequence[Media],
    keys: Sequence[str | MediaError],
    fetch: Callable[[list[str]], Awaitable[Mapping[str, T]]],
    compute: Callable[[list[Media]], Awaitable[Sequence[T]]],
    keep: Callable[[dict[str, T]], Awaitable[object]],
) -> list[T | MediaError]:
    """Return the value of each media: from a cache where it holds it, else computed, each content once.

    Args:
        media: The media.
        keys: Their cache keys, or the error of media that have none; it is returned in their place.
        fetch: Returns what the cache holds of distinct keys.
        compute: Returns the values of media that the cache lacks; its errors get the positions among all media.
        keep: Puts new values into the cache.
    """
    distinct = list(dict.fromkeys(key for key in keys if isinstance(key, str)))
    known = dict(await fetch(distinct))
    missing = {key: keys.index(key) for key in distinct if key not in known}
    if missing:
        positions = list(missing.values())
        with placed_among(positions, len(media)):
            computed = await compute([media[position] for position in positions])
        new = dict(zip(missing, computed, strict=True))
        await keep(new)
        known |= new
    return [known[key] if isinstance(key, str) else key for key in keys]


@contextmanager
def progress_bar(label: str, items: Sequence[Media | Exception], *, shown: bool = True) -> Iterator[Counter | None]:
    """Show the progress of embedding media on stderr, and yield what moves it; None if it is not to be shown.

    It is a bar in a terminal, and a line every ten seconds elsewhere.

    Args:
        label: What is being done.
        items: The media; in place of those that cannot be read, errors, which count as failed.
        shown: Whether to show anything.
    """
    if not shown:
        yield None
        return
    media = [item for item in items if isinstance(item, Media)]
    with shown_progress(label) as progress:
        progress.update(total=len(media), expected=len(media), failed=len(items) - len(media))

        def count(done: int, total: int) -> None:
            del total
            for item in media[progress.chunks : done]:  # an encoder does not say which: they are taken in order
                progress.update(embedded=item)
            progress.update(done=done, settled=done)

        yield count
