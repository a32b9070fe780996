"""What a vector database raises, as one line that says where, what and what to do."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, ParamSpec, TypeVar

from senseweave.errors import SenseweaveError, StoreError
from senseweave.redaction import REDACTED, cause, traceback_text, without_secrets
from senseweave.retrieval.stores.pgvector_errors import postgres_reason

P = ParamSpec("P")
T = TypeVar("T")
Explain = Callable[[BaseException], str | None]
LONGEST: Final = 300
"""Characters of the database's own words in a message."""
PAUSES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Seconds before a question is asked again."""
AGAIN: Final = "what is stored already is skipped when the call is repeated"
_MEANWHILE: Final = ("error finding id", "nothing found on disk")
"""What Chroma says when another client's write came in between."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def readable(
    place: Any, secrets: Callable[[], Sequence[str]] = tuple, explain: Explain | None = None
) -> Iterator[None]:
    """Turn errors of Chroma, SQLite, HTTP and the operating system into a one-line `StoreError` that names the place.

    Errors that are about an argument pass: `ValueError` and `TypeError` that none of them raised.

    Args:
        place: What the error calls the store.
        secrets: Returns what is hidden, since servers repeat keys in their answers; an error that holds one is no
            cause of the error that is raised.
        explain: Says what is wrong in place of this module, for a store of another kind; None where it does not know.
    """
    try:
        yield
    except (SenseweaveError, ImportError):
        raise
    except BaseException as error:
        _raise_readable(error, place, secrets, explain)
        raise


def reported(method: Callable[P, T]) -> Callable[P, T]:
    """Return a method of a store that raises so; its attributes `place`, `secrets` and `explain` are for `readable`."""

    @functools.wraps(method)
    def report(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return method(*arguments, **options)
        except (SenseweaveError, ImportError):
            raise
        except BaseException as error:
            store: Any = arguments[0]
            _raise_readable(error, store.place, lambda: store.secrets, getattr(store, "explain", None))
            raise

    return report


def ask_again(ask: Callable[[], T]) -> T:
    """Return what a question to Chroma returns, asked again if others wrote while it was answered.

    Chroma finds ids first and reads their vectors then; of one that another client deletes in between it says
    "Error finding id" instead of leaving it out. Of a new collection into which another client writes it may say
    "Nothing found on disk" until the first write has ended.
    """
    for pause in PAUSES:
        try:
            return ask()
        except Exception as error:
            if not any(sign in str(error).lower() for sign in _MEANWHILE):
                raise
        time.sleep(pause)
    return ask()


def _raise_readable(
    error: BaseException, place: Any, secrets: Callable[[], Sequence[str]], explain: Explain | None
) -> None:
    """Raise the one-line error that `readable` makes of an error; return if the error is not the store's.

    Raises:
        StoreError: If it is.
    """
    text = traceback_text(error)
    hidden = [secret for secret in secrets() if secret in text]
    known = explain(error) if explain is not None else None
    reason = _reason(error, hidden) if known is None else _line(known, secrets())
    if reason is not None:
        msg = f"{place}: {reason}"
        raise StoreError(msg) from (None if hidden else cause(error))


def _reason(error: BaseException, secrets: Sequence[str]) -> str | None:
    """Return what is wrong and what to do, or None for an error that is not the store's."""
    words = _words(error, secrets)
    lower = words.lower()
    number = error.errno if isinstance(error, OSError) else None
    if _is_a(error, "psycopg", "Error"):
        return postgres_reason(error, words)
    if _is_a(error, "chromadb.errors", "NotFoundError"):
        return f"a collection of this index is gone ({words}); open the index again"
    if _lost_server(error, lower):
        return f"the Chroma server does not answer ({words}); start it and try again: {AGAIN}"
    if not isinstance(error, (sqlite3.Error, OSError)) and not _is_chromas(error, lower):
        return None
    if number in _FULL or any(sign in lower for sign in ("disk is full", "no space left", "disk i/o error")):
        return f"the disk is full or fails ({words}); make room and try again: {AGAIN}"
    if number in _FORBIDDEN or "readonly database" in lower or "permission denied" in lower:
        return f"the store may not be written to ({words}); change the permissions of the folder, or copy it"
    if "database is locked" in lower or "database table is locked" in lower:
        return f"another program keeps the database locked ({words}); close it and try again: {AGAIN}"
    if "payload too large" in lower:
        return f"the Chroma server refuses a request of this size ({words}); raise its limit, or store shorter metadata"
    if "no attribute 'bindings'" in lower:
        return "the Chroma client is closed; open the index again"
    if _is_a(error, "chromadb.errors", "InvalidArgumentError", "InvalidDimensionException"):
        return f"the Chroma store refuses a request ({words})"
    if isinstance(error, OSError):
        return f"the store cannot be used ({words})"
    return (
        f"the Chroma store cannot be read ({words}); if it is damaged, restore it from an export or a backup, or "
        "delete it and add everything again"
    )


def _lost_server(error: BaseException, lower: str) -> bool:
    """Return whether an error says that a server is not there, went away, or is not Chroma."""
    if isinstance(error, (ConnectionError, TimeoutError, json.JSONDecodeError)) or _is_a(error, "httpx", "HTTPError"):
        return True
    return isinstance(error, ValueError) and "could not connect to" in lower


def _is_chromas(error: BaseException, lower: str) -> bool:
    """Return whether an error is Chroma's, or comes from it without a class: a panic, an answer, a closed client."""
    if _is_a(error, "chromadb.errors", "ChromaError"):
        return True
    if type(error).__name__ == "PanicException" or type(error) is Exception:
        return True
    return isinstance(error, AttributeError) and "no attribute 'bindings'" in lower


def _is_a(error: BaseException, module: str, *names: str) -> bool:
    """Return whether an error is of a class of a module, which is not imported for that."""
    kinds = [getattr(sys.modules.get(module), name, ()) for name in names]
    return any(isinstance(error, kind) for kind in kinds)


def _words(error: BaseException, secrets: Sequence[str]) -> str:
    text = _line(str(error).strip(), secrets) or type(error).__name__
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _line(text: str, secrets: Sequence[str]) -> str:
    """Return the first line of a text, with what is secret hidden."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return (without_secrets(text).splitlines() or [""])[0]
