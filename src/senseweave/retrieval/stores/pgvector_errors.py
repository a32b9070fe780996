"""What PostgreSQL says went wrong, as one line that says what to do."""

from __future__ import annotations

import re
from typing import Any, Final

AGAIN: Final = "what is stored already is skipped when the call is repeated"
FULL: Final = ("too many clients", "connection slots", "too many connections")
"""What libpq says, without a code, where a server takes no further connection."""
SETTINGS: Final = re.compile(r"\bSSL\b|certificate|GSSAPI|invalid \S+ value|definition of service|could not match")
"""What it says where the server is reached, or could be, but not in the way that the address asks for."""
REFUSED: Final = (
    "authentication failed",
    "pg_hba.conf",
    "does not exist",
    "no password supplied",
    "not permitted",
)
"""What libpq says, without a code, where a server lets nobody in under this name."""
_ACTIONS: Final = {
    "42P01": "a collection of this index is gone ({words}); open the index again",
    "3F000": "a collection of this index is gone ({words}); open the index again",
    "42501": "the role may not do this ({words}); grant it the rights on the schema, or connect as its owner",
    "25006": "the server may only be read ({words}); connect to the primary server to write",
    "53100": "the server's disk is full ({words}); make room and try again: {again}",
    "53300": "the server takes no more connections ({words}); raise max_connections, or open stores with fewer",
    "53400": "the server takes no more connections ({words}); raise max_connections, or open stores with fewer",
    "25P03": "the server ended a transaction in which nothing happened ({words}); lend connections for less time",
    "57014": "the server ended a statement ({words}); raise statement_timeout of this role",
    "55P03": "another session keeps a lock ({words}); try again: {again}",
    "40P01": "other writers were in the way again and again ({words}); try again: {again}",
}
"""By SQLSTATE, https://www.postgresql.org/docs/current/errcodes-appendix.html."""
_CLASSES: Final = {
    "08": "the PostgreSQL server does not answer ({words}); start it and try again: {again}",
    "57": "the PostgreSQL server does not answer ({words}); start it and try again: {again}",
    "22": "PostgreSQL refuses a value ({words})",
    "54": "PostgreSQL refuses a request of this size ({words})",
    "XX": "the PostgreSQL store cannot be read ({words}); restore it from a backup or an export",
}
"""By the first two characters of SQLSTATE."""


def postgres_reason(error: Any, words: str) -> str:
    """Return what is wrong and what to do.

    Args:
        error: Of psycopg.
        words: The first line of the error, without secrets.
    """
    state: str | None = getattr(error, "sqlstate", None)
    if state is not None:
        text = _ACTIONS.get(state) or _CLASSES.get(state[:2]) or "PostgreSQL refuses a request ({words})"
    elif any(sign in words for sign in FULL):
        text = _ACTIONS["53300"]
    elif any(sign in words for sign in REFUSED):
        text = "the PostgreSQL server refuses the connection ({words}); check user, password and database"
    elif SETTINGS.search(words):
        text = "the PostgreSQL server cannot be connected to in this way ({words}); check the options of the address"
    else:
        text = _CLASSES["08"]
    return text.format(words=words, again=AGAIN)
