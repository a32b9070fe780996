"""Addresses of stores: `http://host:8000` is a Chroma server. A caller names them; keys come from the environment.

Nothing that is read from an index, an export or a server leads here, and `senseweave.Index` takes no address as a
string: a pipeline file that holds the folder of an index cannot name a server in its place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from senseweave.errors import StoreError
from senseweave.redaction import has_secret, without_secrets

_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.\-]+://", re.IGNORECASE)
"""A drive of Windows has one letter and no `//`."""


@dataclass(frozen=True)
class Scheme:
    """A kind of address.

    Attributes:
        store: Name of the store in `senseweave.stores`.
        form: What such an address looks like.
        secret: Where its key or password is set, since it is not in the address.
        has_user: Whether an address may name a user.
    """

    store: str
    form: str
    secret: str
    has_user: bool = False


CHROMA_TOKEN: Final = "SENSEWEAVE_CHROMA_TOKEN"  # noqa: S105  (a name)
"""Environment variable of the token that a Chroma server, or the proxy before it, expects as `Authorization: Bearer`.
"""
QDRANT_KEY: Final = "SENSEWEAVE_QDRANT_KEY"
"""Environment variable of the key that a Qdrant server expects."""
_POSTGRES: Final = Scheme(
    "PgVector", "postgresql://USER@HOST/DATABASE", "PGPASSWORD, or the file ~/.pgpass", has_user=True
)
SCHEMES: Final = {
    "http": Scheme("Chroma", "http://HOST:PORT", CHROMA_TOKEN),
    "https": Scheme("Chroma", "https://HOST:PORT", CHROMA_TOKEN),
    "qdrant+http": Scheme("Qdrant", "qdrant+http://HOST:6333", QDRANT_KEY),
    "qdrant+https": Scheme("Qdrant", "qdrant+https://HOST:6333", QDRANT_KEY),
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
}


def is_address(place: object) -> bool:
    """Return whether a place is an address such as `http://host:8000`, and not a folder."""
    return isinstance(place, str) and _ADDRESS.match(place) is not None


def read_address(address: str) -> tuple[Scheme, SplitResult]:
    """Return what kind of address it is, and its parts.

    Raises:
        StoreError: If it is of no known kind, or holds a password or a key.
    """
    shown = without_secrets(address)
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:  # whose message repeats what may be a password
        msg = f"{shown}: not an address; expected such as http://HOST:PORT"
        raise StoreError(msg) from None
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None or not parts.netloc + parts.path:
        forms = ", ".join(dict.fromkeys(known.form for known in SCHEMES.values()))
        msg = f"{shown}: not the address of a store; expected a folder or one of: {forms}"
        raise StoreError(msg)
    without_user = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.password is not None or has_secret(without_user):
        msg = f"{shown}: holds a password or a key; leave it out, and set it in the environment: {scheme.secret}"
        raise StoreError(msg)
    if not scheme.has_user and (parts.username is not None or not parts.hostname):
        msg = f"{shown}: expected {scheme.form}, without a user name; a key is set in the environment: {scheme.secret}"
        raise StoreError(msg)
    return scheme, parts
