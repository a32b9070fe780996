"""What a server of an index is allowed to do, and to whom it answers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from senseweave.media import MediaPolicy
from senseweave.spaces.space import Space

TOKEN_VARIABLE: Final = "SENSEWEAVE_TOKEN"  # noqa: S105  (a name)
"""Environment variable of the token; on a command line other users of the machine could read it."""
TOKEN_LENGTH: Final = 16
"""Fewest characters of a token."""
UPLOAD_BYTES: Final = 256 * 1024**2
"""Most bytes of an upload, unless the server is told otherwise."""
UPLOADS_SUFFIX: Final = ".uploads"
"""End of the name of the folder beside an index that keeps what was uploaded to it."""


@dataclass(frozen=True)
class ServeSettings:
    """Settings of a server.

    Attributes:
        host: Address to listen on.
        port: Port to listen on; 0 for any that is free.
        token: What clients prove themselves with; None lets everybody on this machine in.
        read_only: Whether adding and deleting are switched off.
        allowed_hosts: Names, besides addresses and `localhost`, by which clients may call the server.
        uploads: Folder that keeps uploaded files; None where nothing may be uploaded.
        upload_policy: Limits on what is uploaded.
        spaces: Spaces beyond those of the index that `/v1/embeddings` computes with, by name.
        rerankers: Names of the rerankers that a search may ask for.
        address: By which the server's own commands open an index that is in no folder; None for a folder.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str | None = field(default=None, repr=False)
    read_only: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    uploads: Path | None = None
    upload_policy: MediaPolicy = field(default_factory=lambda: MediaPolicy(max_bytes=UPLOAD_BYTES))
    spaces: Mapping[str, Space] = field(default_factory=dict)
    rerankers: tuple[str, ...] = ()
    address: str | None = None

    def __post_init__(self) -> None:
        """Check who is let in.

        Raises:
            ValueError: If other machines could connect without a token, or the token is short.
        """
        if self.token is not None and (len(self.token) < TOKEN_LENGTH or not self.token.isascii()):
            msg = (
                f"the token must have at least {TOKEN_LENGTH} ASCII characters; make one with: "
                'python -c "import secrets; print(secrets.token_urlsafe())"'
            )
            raise ValueError(msg)
        if self.token is None and not is_loopback(self.host):
            msg = (
                f"listening on {self.host} lets other machines in: pass a token (--token, or the environment variable "
                f"{TOKEN_VARIABLE}), or listen on 127.0.0.1"
            )
            raise ValueError(msg)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address or name."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
