"""Addresses of stores: `http://host:8000` is a Chroma server. A caller names them; keys come from the environment.

Nothing that is read from an index, an export or a server leads here, and `senseweave.Index` takes no address as a
string: a pipeline file that holds the folder of an index cannot name a server in its place.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from senseweave.errors import StoreError
from senseweave.redaction import has_secret, without_secrets

_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.\-]+://", re.IGNORECASE)
"""A drive of Windows has one letter, and no `//` after it."""
_SECRET_OPTIONS: Final = ("password", "sslpassword", "oauth_client_secret")
"""Of libpq, which refuses names that it does not know."""
_PORT: Final = re.compile(r"[0-9]{0,5}")


@dataclass(frozen=True)
class Scheme:
    """A kind of address.

    Attributes:
        store: Name of the store in `senseweave.stores`.
        form: What such an address looks like.
        secret: Where its key or password is set, since it is not in the address.
        is_database: Whether an address is libpq's: it may name a user, several hosts, none, and options.
    """

    store: str
    form: str
    secret: str
    is_database: bool = False


CHROMA_TOKEN: Final = "SENSEWEAVE_CHROMA_TOKEN"  # noqa: S105  (a name)
"""Environment variable of the token that a Chroma server, or the proxy before it, expects as `Authorization: Bearer`.
"""
QDRANT_KEY: Final = "SENSEWEAVE_QDRANT_KEY"
"""Environment variable of the key that a Qdrant server expects."""
_POSTGRES: Final = Scheme(
    "PgVector",
    "postgresql://HOST/DATABASE (a user as USER@ before the host)",  # errors hide what is before an @
    "PGPASSWORD, or the file ~/.pgpass",
    is_database=True,
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
    """Return whether a place is an address such as `http://host:8000`, and not a folder.

    One slash after a known scheme is an address too, which `read_address` refuses: `pathlib.Path` leaves one of two.
    """
    if not isinstance(place, (str, os.PathLike)):
        return False
    text = os.fspath(place)
    if not isinstance(text, str):
        return False
    return _ADDRESS.match(text) is not None or (":/" in text and text.partition(":/")[0].lower() in SCHEMES)


def read_address(address: str) -> tuple[Scheme, SplitResult]:
    """Return what kind of address it is, and its parts.

    Raises:
        StoreError: If it is of no known kind, cannot be read, or holds a password or a key.
    """
    shown = without_secrets(address)
    try:
        parts = urlsplit(address)
    except ValueError:  # whose message repeats what may be a password
        raise _unreadable(shown) from None
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None or not parts.netloc + parts.path:
        forms = ", ".join(dict.fromkeys(known.form for known in SCHEMES.values()))
        msg = f"{shown}: not the address of a store; expected a folder or one of: {forms}"
        raise StoreError(msg)
    if (
        not _ADDRESS.match(address)
        or not address.isprintable()
        or " " in address
        or not _has_ports(parts, several=scheme.is_database)
    ):
        raise _unreadable(shown)
    if parts.password is not None or _has_key(scheme, parts):
        msg = f"{shown}: holds a password or a key; leave it out, and set it in the environment: {scheme.secret}"
        raise StoreError(msg)
    if not scheme.is_database and (parts.username is not None or not parts.hostname):
        msg = f"{shown}: expected {scheme.form}, without a user name; a key is set in the environment: {scheme.secret}"
        raise StoreError(msg)
    return scheme, parts


def plain_address(parts: SplitResult, scheme: str) -> str:
    """Return an address under a scheme, without a slash at the end; a host may be missing, as for a socket."""
    rest = "".join(f"{mark}{part}" for mark, part in (("?", parts.query), ("#", parts.fragment)) if part)
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}{rest}"


def _unreadable(shown: str) -> StoreError:
    return StoreError(f"{ascii(shown)[1:-1]}: not an address; expected such as http://HOST:PORT")


def _has_ports(parts: SplitResult, *, several: bool) -> bool:
    """Return whether what follows the host, or each of several hosts that commas divide, is a port if it is there."""
    hosts = parts.netloc.rpartition("@")[2]
    ports = [host.rpartition("]")[2].partition(":")[2] for host in (hosts.split(",") if several else [hosts])]
    return all(_PORT.fullmatch(port) and int(port or 0) < 2**16 for port in ports)


def _has_key(scheme: Scheme, parts: SplitResult) -> bool:
    """Return whether a part after the user is a secret."""
    rest = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    if not scheme.is_database:
        return has_secret(urlunsplit(rest))
    # Options of a database are known by name: neither the long path of a certificate nor `target_session_attrs` is one.
    options = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return not options.isdisjoint(_SECRET_OPTIONS) or has_secret(urlunsplit(rest._replace(query="")))
