"""Stores by address: which addresses are known, what is refused, and that keys come from the environment alone."""

import itertools
import traceback
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from chroma_server import ChromaServer
from key_server import KEY
from postgres_server import run_sql
from secret_proxy import repeating_proxy

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.addresses import CHROMA_TOKEN, QDRANT_KEY
from senseweave.retrieval.stores.pacing import SENT_BYTES
from senseweave.testing.toys import toy_space


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = ChromaServer(tmp_path_factory.mktemp("server"))
    yield started
    started.kill()


@pytest.fixture
def address(server):
    return f"http://127.0.0.1:{server.port}"


def test_an_index_is_found_again_at_the_address_of_its_server(address):
    with sw.Index(sw.stores.connect(address), spaces=[toy_space()]) as index:
        index.add(sw.Text("a dog in the snow"))
    again = sw.Index.open(sw.stores.connect(f"{address}/"), spaces=[toy_space()])
    assert again.search("a dog in the snow", k=1)[0].text == "a dog in the snow"
    assert again.info()["place"] == f"{address}/"


def test_a_server_gets_many_records_at_once_and_never_more_than_it_takes(address, tmp_path, monkeypatch):
    from chromadb import Collection

    written = []
    upsert = Collection.upsert

    def counted(self, ids, **rows):
        written.append(len(ids))
        return upsert(self, ids=ids, **rows)

    monkeypatch.setattr(Collection, "upsert", counted)
    for store in (sw.stores.connect(address), sw.stores.Chroma(tmp_path / "folder")):
        for dimension in (2, 4000):
            store.make(f"numbers-{dimension}", {"of": "tests"}, dimension)
            vectors = np.random.default_rng(0).normal(size=(200, dimension)).astype(np.float32)
            store.upsert(f"numbers-{dimension}", [Record(str(n), row, "", {"n": n}) for n, row in enumerate(vectors)])
            assert store.count(f"numbers-{dimension}") == 200
    assert written[0] == 200
    assert sum(written[1:4]) == 200
    assert max(written[1:4]) * 4000 * 22 <= SENT_BYTES
    assert written[4:] == 2 * [64, 64, 64, 8], "Chroma's own library keeps all other threads waiting"


def test_databases_of_a_server_are_apart(address):
    import chromadb

    from senseweave.retrieval.stores.chroma import ChromaStore

    port = int(address.rpartition(":")[2])
    admin = chromadb.HttpClient(host="127.0.0.1", port=port)
    chromadb.AdminClient(admin.get_settings()).create_database("second")
    second = sw.stores.connect(f"{address}?database=second")
    assert isinstance(second, ChromaStore)
    sw.Index(second, spaces=[toy_space()], prefix="apart").add(sw.Text("only there"))
    assert len(sw.Index.open(sw.stores.connect(f"{address}?database=second"), spaces=[], prefix="apart")) == 1
    with pytest.raises(StoreError, match="holds no senseweave index"):
        sw.Index.open(sw.stores.connect(address), prefix="apart")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (f"http://ann:{quote(KEY, safe='')}@localhost:1", "SENSEWEAVE_CHROMA_TOKEN"),
        (f"http://ann:{KEY}@localhost:1", "not an address"),
        (f"http://localhost:1?token={KEY}", "SENSEWEAVE_CHROMA_TOKEN"),
        ("http://ann@localhost:1", "without a user name"),
        ("http://localhost:1?colour=red", "no options but database and tenant"),
        (f"qdrant+http://ann:{quote(KEY, safe='')}@localhost", "SENSEWEAVE_QDRANT_KEY"),
        ("qdrant+http://ann@localhost", "without a user name"),
        (f"postgresql://ann:{quote(KEY, safe='')}@localhost/x", "PGPASSWORD"),
        (f"postgres://localhost/x?password={quote(KEY, safe='')}", "PGPASSWORD"),
        ("ftp://localhost/index", "not the address of a store"),
        ("http://", "not the address of a store"),
        ("http://localhost:port", "not an address"),
        ("notes/index", "not the address of a store"),
        ("http:/127.0.0.1:9", "not an address"),
        (f"postgresql:/ann:{quote(KEY, safe='')}@localhost/x", "not an address"),
        ("http://127.0.0.1:9", "does not answer"),
        ("http://127.0.0.1:", "does not answer"),
        ("http://127.0.0.1:00009", "does not answer"),
        ("http://[::1]:9", r"\[::1\]:9: the Chroma server does not answer"),
        ("HTTP://127.0.0.1:9", "does not answer"),
        ("http://127.0.0.1:9#second", "no options but database and tenant"),
        ("http://127.0.0.1:99999", "not an address"),
        ("http://\ud800:9", "not an address"),
        ("http://local host:9", "not an address"),
        ("qdrant+http://localhost#second", "more than the address of a server"),
        ("postgresql://localhost/x\n", r"x\\n: not an address"),
        ("postgresql://localhost:1,localhost:port/x", "not an address"),
        (f"postgresql://localhost/x?SSLPASSWORD={quote(KEY, safe='')}", "PGPASSWORD"),
        ("mysql://localhost/x", r"postgresql://HOST/DATABASE \(a user as USER@"),
    ],
)
def test_what_is_not_the_address_of_a_store_is_refused_without_showing_keys(given, says):
    with pytest.raises(StoreError, match=says) as refused:
        sw.stores.connect(given)
    for form in (KEY, quote(KEY, safe="")):
        assert form not in "".join(traceback.format_exception(refused.value))


def test_a_token_is_read_from_the_environment_and_hidden_in_errors(server, monkeypatch):
    monkeypatch.setenv(CHROMA_TOKEN, KEY)
    with repeating_proxy(server.port) as proxy:
        store = sw.stores.connect(f"http://127.0.0.1:{proxy.server_port}")
        headers = store.client.get_settings().chroma_server_headers
        assert headers["Authorization"] == f"Bearer {KEY}"
        proxy.status = 403
        with pytest.raises(StoreError) as refused:
            store.collections()
    assert KEY not in str(refused.value)


def test_a_qdrant_server_is_found_by_its_address_and_gets_the_key_of_the_environment(
    shared_qdrant_stand_in, monkeypatch
):
    monkeypatch.setenv(QDRANT_KEY, KEY)
    store = sw.stores.connect(f"qdrant+{shared_qdrant_stand_in.url}")
    assert KEY in store.secrets
    with sw.Index(store, spaces=[toy_space()], prefix="addressed") as index:
        index.add(sw.Text("a dog in the snow"))
    again = sw.Index.open(
        sw.stores.connect(f"qdrant+{shared_qdrant_stand_in.url}"), spaces=[toy_space()], prefix="addressed"
    )
    assert again.search("a dog in the snow", k=1)[0].text == "a dog in the snow"


@pytest.mark.integration
def test_a_database_is_found_by_its_address(postgres, monkeypatch):
    address = postgres.url(postgres.database())
    with sw.Index(sw.stores.connect(address), spaces=[toy_space()]) as index:
        index.add(sw.Text("a dog in the snow"))
    again = sw.Index.open(sw.stores.connect(address.replace("postgresql:", "postgres:")), spaces=[toy_space()])
    assert again.search("a dog in the snow", k=1)[0].text == "a dog in the snow"


@pytest.mark.integration
def test_an_address_of_a_database_is_written_in_any_way_that_its_library_reads(postgres):
    address = postgres.url(postgres.database())
    rest = address.partition(":")[2]
    host = f"127.0.0.1:{postgres.port}"
    ways = {
        f"POSTGRESQL:{rest}": host,
        f"Postgres:{rest}/": host,
        address.replace("tester", "%74ester"): host,
        f"{address}?sslmode=disable&target_session_attrs=read-write": host,
        f"{address}?sslmode=disable&sslrootcert=/etc/ssl/certs/of-our-provider-2025.pem": host,
        f"{address}?options=-c%20statement_timeout%3D20000": host,
        address.replace(host, f"127.0.0.1:1,{host}"): f"127.0.0.1:1,{host}",
        address.replace(f"@{host}", "@") + f"?host=127.0.0.1&port={postgres.port}": host,
    }
    for way, place in ways.items():
        with closing(sw.stores.connect(way)) as store:
            assert store.collections() == {}
            assert store.place == f"postgresql://{place}/{address.rpartition('/')[2]} (schema senseweave)"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("tester@[::1]:1/x", r"^postgresql://\[::1\]:1/x \(.*does not answer"),
        ("%2Fnowhere/x", r"^postgresql://%2Fnowhere:5432/x \(.*does not answer"),
        ("127.0.0.1:1/x?sslmode=none", "cannot be connected to in this way .*sslmode.*check the options"),
        ("127.0.0.1:1/x?colour=red", "cannot be read"),
    ],
)
def test_a_database_that_an_address_does_not_lead_to_is_named_as_in_an_address(place, says):
    pytest.importorskip("psycopg", reason="needs psycopg")
    with pytest.raises(StoreError, match=says):
        sw.stores.connect(f"postgresql://{place}")


@pytest.mark.integration
def test_a_server_without_tls_or_a_free_place_says_which(postgres):
    import psycopg

    address = postgres.url(postgres.database())
    with pytest.raises(StoreError, match=r"cannot be connected to in this way .*SSL"):
        sw.stores.connect(f"{address}?sslmode=require")
    role = address.replace("tester@", "narrow@")
    run_sql(address, "CREATE ROLE narrow LOGIN CONNECTION LIMIT 1")
    with closing(psycopg.connect(role)), pytest.raises(StoreError, match="takes no more connections"):
        sw.stores.connect(role)
    run_sql(address, "DROP ROLE narrow")


def test_an_index_takes_no_address_in_place_of_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place, create in itertools.product(
        ("http://127.0.0.1:9", Path("http://127.0.0.1:9"), "HTTP:/host", "postgresql:/ann@host/x"), (True, False)
    ):
        with pytest.raises(StoreError, match=r"senseweave\.stores\.connect"):
            sw.Index(place, spaces=[toy_space()], create=create)
    with pytest.raises(ValueError, match="not the URL of a Qdrant server"):
        sw.stores.Qdrant(Path("http://127.0.0.1:9"))
    assert not list(tmp_path.iterdir())
    with sw.Index(tmp_path / "http:" / "a folder", spaces=[toy_space()]) as index:
        assert len(index) == 0
