"""Every kind of store that the tests hold to the contract, each by a Python expression that opens it.

An expression rather than an object, so that other processes open the same store.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

import senseweave as sw

REAL_QDRANT = "SENSEWEAVE_TEST_QDRANT"
"""The variable that holds the URL of a Qdrant server to test against."""


@dataclass(frozen=True)
class StoreKind:
    """A kind of store.

    Attributes:
        name: What tests call it.
        expression: Returns the expression, given the `request` of a fixture; it skips the test where there is no such
            store to open.
        lasts: Whether records are there when it is opened again.
        shared: Whether several processes may have it open at once.
        closes: Whether it raises when it is used after it was closed.
        fractions: Whether comparisons tell 2 from 2.5 where one name holds both.
    """

    name: str
    expression: Callable[[pytest.FixtureRequest], str]
    lasts: bool = True
    shared: bool = True
    closes: bool = True
    fractions: bool = True


def in_folder(store):
    """Return a function that returns the expression of a store in a folder of the test."""
    return lambda request: f"sw.stores.{store}({str(request.getfixturevalue('tmp_path') / 'store')!r})"


def chroma_server(request):
    port = request.getfixturevalue("shared_chroma_server").port
    return f"sw.stores.Chroma(__import__('chromadb').HttpClient(host='127.0.0.1', port={port}))"


def qdrant_stand_in(request):
    return f"sw.stores.Qdrant({request.getfixturevalue('shared_qdrant_stand_in').url!r})"


def real_qdrant(request):
    url = os.environ.get(REAL_QDRANT)
    if not url:
        pytest.skip(f"no registry has a Qdrant server; set {REAL_QDRANT} to the URL of one")
    return f"sw.stores.Qdrant({url!r})"


def postgres(request):
    server = request.getfixturevalue("postgres")
    return f"sw.stores.PgVector({server.url(server.database())!r})"


KINDS = (
    StoreKind("memory", lambda request: "sw.stores.Memory()", lasts=False, shared=False, closes=False),
    StoreKind("chroma folder", in_folder("Chroma"), fractions=False),
    StoreKind("chroma server", chroma_server, fractions=False),
    StoreKind("qdrant memory", lambda request: "sw.stores.Qdrant(':memory:')", lasts=False, shared=False),
    StoreKind("qdrant folder", in_folder("Qdrant"), shared=False),
    StoreKind("qdrant stand-in", qdrant_stand_in),
    StoreKind("qdrant server", real_qdrant),
    StoreKind("pgvector", postgres),
)


def open_store(expression):
    """Return the store that an expression opens."""
    return eval(expression, {"sw": sw})
