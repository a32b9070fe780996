"""What Qdrant's client raises, in words that say what is wrong and what to do."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Final

from senseweave.retrieval.stores.store_errors import AGAIN, LONGEST

_MISSING: Final = re.compile(r"Collection .* (not found|doesn't exist)")
_IN_USE: Final = "already accessed by another instance"


def explain_qdrant(error: BaseException) -> str | None:
    """Return what is wrong, or None for an error that is not Qdrant's."""
    # Where Qdrant's client is not there, nothing of it can be raised, and the import error is told as it is.
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        return _refusal(error.status_code, _words(error.content) or error.reason_phrase)
    if isinstance(error, QdrantException):
        return f"the Qdrant server has too many requests ({_short(str(error))}); wait and try again: {AGAIN}"
    if isinstance(error, ResponseHandlingException):
        source = error.source
        words = _short(str(source).splitlines()[0] if str(source) else type(source).__name__)
        if isinstance(source, ValueError):  # an answer that is not as Qdrant's are
            return f"the answer is not Qdrant's ({words}); check the URL, and the versions of server and client"
        return f"the Qdrant server does not answer ({words}); start it and try again: {AGAIN}"
    if isinstance(error, RuntimeError) and _IN_USE in str(error):
        return (
            "this folder is open already, in another process or another store; local Qdrant serves one at a time: "
            "close the other, or run a Qdrant server and give its URL"
        )
    if isinstance(error, ValueError) and _MISSING.search(str(error)):
        return f"a collection of this index is gone ({_short(str(error))}); open the index again"
    if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
        return f"the Qdrant folder cannot be read ({_short(str(error))}); restore it from a backup or an export"
    return None


def _refusal(status: int | None, words: str) -> str:
    words = _short(words)
    if status == 404 and _MISSING.search(words):
        return f"a collection of this index is gone ({words}); open the index again"
    if status in (401, 403):
        return f"the Qdrant server refuses access ({words}); give a valid api_key that may do this"
    if "Index required" in words:
        return f"the Qdrant server filters by indexed metadata alone ({words}); name it in indexed={{name: type}}"
    if status == 413 or "larger than allowed" in words:
        return f"the Qdrant server refuses a request of this size ({words}); raise its limit, or store shorter texts"
    if status is not None and status >= 500:
        return f"the Qdrant server failed ({status}: {words}); look into its log, and try again: {AGAIN}"
    return f"the Qdrant server refuses a request ({status}: {words})"


def _words(content: bytes) -> str:
    """Return the server's own words from its answer, which is JSON or plain text."""
    text = content.decode("utf-8", "replace").strip()
    try:
        answer = json.loads(text)
        return str(answer["status"]["error"])
    except (ValueError, KeyError, TypeError):
        return text.splitlines()[0] if text else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
