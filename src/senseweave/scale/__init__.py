"""Embed and index on a Ray cluster: `senseweave.scale.embed(...)` and `senseweave.scale.index(...)`.

Needs `senseweave[ray]`. Ray reads, schedules, retries and holds back; what is read, how it is divided and what a record
holds is the same as in one process.
"""

from __future__ import annotations

from senseweave.scale.embedding import embed
from senseweave.scale.indexing import index

__all__ = ["embed", "index"]
