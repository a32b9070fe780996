"""Connections to PostgreSQL: lent, forked, ended by the server, refused; and what a login may do."""

import logging
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import numpy as np
import pytest
from children import run_in_child
from key_server import KEY, written
from postgres_server import run_sql

import senseweave as sw
from senseweave.errors import StoreError
from senseweave.retrieval import Index
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.conditions import Compare

pytest.importorskip("psycopg", reason="needs psycopg")
pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def record(identifier, **metadata):
    return Record(identifier, np.ones(4, np.float32), "a text", metadata)


def end_sessions(address):
    """End all sessions of the database but this one, as a server that restarts does."""
    run_sql(
        address,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()",
    )


def sessions(address):
    ((count,),) = run_sql(
        address,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bounded'",
    )
    return count


def test_sessions_that_the_server_ended_are_opened_again(address, open_store):
    store = open_store()
    store.make("words", {}, 4)
    with ThreadPoolExecutor(4) as threads:  # several connections
        list(threads.map(lambda number: store.upsert("words", [record(f"{number}")]), range(16)))
    for _ in range(3):
        end_sessions(address)
        assert store.count("words") == 16
        end_sessions(address)
        store.upsert("words", [record("0", again=True)])
    assert store.version


def test_a_server_that_is_down_is_one_line_that_says_so(postgres_of_its_own, space, monkeypatch):
    monkeypatch.setattr("senseweave.retrieval.stores.pgvector_connections.PAUSES", (0.01, 0.01))
    address = postgres_of_its_own.url(postgres_of_its_own.database())
    store = sw.stores.PgVector(address)
    index = Index(store, spaces=[space])
    index.add(sw.Text("a note"))
    postgres_of_its_own.stop()
    for action in (lambda: index.search("note"), lambda: index.add(sw.Text("another")), lambda: store.count("x")):
        with pytest.raises(StoreError, match=r"^postgresql://.*server does not answer \(.*start it and try again"):
            action()
    store.close()


@pytest.fixture
def postgres_of_its_own(postgres):
    server = type(postgres)()
    yield server
    if server._process.poll() is None:
        server.stop()


def test_a_connection_is_lent_to_one_at_a_time_and_there_are_no_more_than_asked_for(address):
    store = sw.stores.PgVector(f"{address}?application_name=bounded", connections=2)
    store.make("words", {}, 4)
    most = []

    def work(number):
        store.upsert("words", [record(f"{number}")])
        store.query("words", np.ones((3, 4), np.float32), 2)
        most.append(sessions(address))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(24)))
    assert store.count("words") == 24
    assert max(most) <= 2
    store.close()


def test_a_forked_child_opens_connections_of_its_own_and_leaves_the_parents(address, open_store):
    store = open_store()
    store.make("words", {}, 4)
    store.upsert("words", [record("parent")])
    (before,) = store._database._idle

    def child():
        store.upsert("words", [record("child")])
        assert store.count("words") == 2
        assert store._database._idle[0] is not before
        store.close()

    run_in_child(child)
    assert store.count("words") == 2
    assert store._database._idle == [before]
    assert not before.closed


def test_a_child_that_was_forked_while_all_connections_were_lent_has_its_own(open_store):
    store = open_store(connections=1)
    store.make("words", {}, 4)
    with store.connection() as connection:
        run_in_child(lambda: store.upsert("words", [record("child")]))
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert store.count("words") == 1


def test_a_lent_connection_commits_at_the_end_and_nothing_after_an_error(open_store):
    store = open_store()
    store.make("words", {}, 4)
    from psycopg import sql

    insert = sql.SQL("INSERT INTO {} (id, embedding, metadata) VALUES (%s, '[1,0,0,0]', '{{}}')").format(
        store.table("words").name
    )
    with store.connection() as connection:
        connection.execute(insert, ["kept"])

    def fail(connection):
        connection.execute(insert, ["lost"])
        connection.execute("SELECT nothing")

    with pytest.raises(StoreError, match="refuses a request"), store.connection() as connection:
        fail(connection)
    assert [row.id for row in store.get("words")] == ["kept"]


def test_a_closed_store_says_so(open_store):
    store = open_store()
    store.make("words", {}, 4)
    store.close()
    for action in (lambda: store.count("words"), lambda: store.collections(), lambda: store.upsert("words", [])):
        with pytest.raises(StoreError, match="closed"):
            action()
    assert store.version


def holds_secret(text):
    return KEY in text or quote(KEY, safe="") in text


def hidden_addresses(postgres):
    """Return addresses with a password that lead nowhere, and what the error says."""
    port = postgres.port
    secret = quote(KEY, safe="")
    return [
        (f"postgresql://tester:{secret}@127.0.0.1:1/none", "does not answer"),
        (f"postgresql://tester:{secret}@127.0.0.1:{port}/no-such-database", "refuses the connection"),
        (f"postgresql://nobody:{secret}@127.0.0.1:{port}/postgres", "refuses the connection"),
        (f"postgresql+psycopg://tester:{secret}@127.0.0.1:{port}/none", "refuses the connection"),
        (f"host=127.0.0.1 port={port} user=tester dbname=none password='{KEY}'", "refuses the connection"),
        (f"host=127.0.0.1 secret={KEY}", "cannot be read"),
        (f"mysql://tester:{secret}@127.0.0.1/x", "cannot be read"),
        (f"postgresql://tester:{KEY}@127.0.0.1:port{port}/none", "cannot be read"),
    ]


def test_a_password_is_in_no_error_representation_or_log(postgres, space, caplog):
    caplog.set_level(logging.DEBUG)
    said = []
    for address, reason in hidden_addresses(postgres):
        with pytest.raises(StoreError, match=reason) as caught:
            sw.stores.PgVector(address)
        said.append(written(caught.value) + repr(vars(caught.value)))
    address = postgres.url(postgres.database()).replace("tester@", f"tester:{quote(KEY, safe='')}@")
    store = sw.stores.PgVector(address)
    with Index(store, spaces=[space]) as index:
        index.add(sw.Text("a note"))
        said += [repr(store), store.place, repr(index), str(index.info()), str(index.verify())]
        with pytest.raises(TypeError) as refused:
            pickle.dumps(index)
        said.append(written(refused.value))
        run_sql(address, "DROP SCHEMA senseweave CASCADE")
        for action in (lambda: index.search("note"), lambda: index.add(sw.Text("more"))):
            with pytest.raises(StoreError) as caught:
                action()
            said.append(written(caught.value))
    store.close()
    said += [log.getMessage() for log in caplog.records]
    assert not [text for text in said if holds_secret(text)]
    assert store.place.startswith("postgresql://127.0.0.1:")


@pytest.fixture
def role(address):
    """The address of a role that may log in and do nothing else."""
    run_sql(address, "CREATE ROLE reader LOGIN")
    yield address.replace("tester@", "reader@")
    run_sql(address, "DROP OWNED BY reader")
    run_sql(address, "DROP ROLE reader")


def test_a_role_that_may_only_read_searches_and_is_told_what_it_may_not_do(address, open_store, role, space):
    with pytest.raises(StoreError, match="may not do this"):
        sw.stores.PgVector(role)
    owner = open_store()
    with Index(owner, spaces=[space]) as index:
        index.add(sw.Text("a note"))
    run_sql(address, "GRANT USAGE ON SCHEMA senseweave TO reader")
    run_sql(address, "GRANT SELECT ON ALL TABLES IN SCHEMA senseweave TO reader")
    with closing(sw.stores.PgVector(role)) as store, Index(store, spaces=[space], create=False) as index:
        assert [hit.text for hit in index.search("note", k=1)] == ["a note"]
        with pytest.raises(StoreError, match=r"permission denied.*grant it the rights"):
            index.add(sw.Text("another"))
        assert len(index) == 1


@pytest.mark.parametrize("is_ours", [True, False], ids=["of the store", "in memory"])
def test_words_are_found_where_nothing_may_be_written(address, open_store, role, space, is_ours):
    with Index(open_store(), spaces=[space]) as index:
        index.add([sw.Text("part 4711-B"), sw.Text("a note")])
        if is_ours:
            index.search("4711-B", words=True)
    indexes = "SELECT indexname FROM pg_indexes WHERE schemaname = 'senseweave' AND indexname LIKE '%%words'"
    for (name,) in run_sql(address, indexes):
        run_sql(address, f"DROP INDEX senseweave.{name}")
    run_sql(address, "GRANT USAGE ON SCHEMA senseweave TO reader")
    run_sql(address, "GRANT SELECT ON ALL TABLES IN SCHEMA senseweave TO reader")
    for reader in (role, f"{address}?options=-c%20default_transaction_read_only%3Don"):
        with closing(sw.stores.PgVector(reader)) as store, Index(store, spaces=[space], create=False) as index:
            assert index.search("4711-B", k=1, words=True)[0].text == "part 4711-B"


def test_a_database_without_pgvector_says_what_to_do(postgres, role):
    run_sql(postgres.url("postgres"), "CREATE DATABASE bare")
    with pytest.raises(StoreError, match="install pgvector on the server, and run CREATE EXTENSION vector"):
        sw.stores.PgVector(role.rpartition("/")[0] + "/bare")
    with closing(sw.stores.PgVector(postgres.url("bare"))) as store:
        store.make("words", {}, 4)


def test_pgvector_in_a_schema_of_its_own_is_found(postgres):
    run_sql(postgres.url("postgres"), "CREATE DATABASE apart")
    address = postgres.url("apart")
    run_sql(address, 'CREATE SCHEMA "Extra\'s"')
    run_sql(address, 'CREATE EXTENSION vector SCHEMA "Extra\'s"')
    with closing(sw.stores.PgVector(address, exact_below=3)) as store:
        store.make("words", {}, 4)
        store.upsert("words", [record(f"{number}") for number in range(5)])
        assert store.table("words").indexed
        assert len(store.query("words", np.ones((2, 4), np.float32), 5, with_vectors=True)[1]) == 5


def test_calls_of_many_threads_are_answered_each_with_its_own(open_store):
    store = open_store(connections=3)
    store.make("words", {}, 4)
    store.upsert("words", [record(f"{number}", n=number) for number in range(50)])
    barrier = threading.Barrier(10)

    def work(number):
        barrier.wait()
        return [row.metadata["n"] for row in store.get("words", condition=Compare("n", "lt", number))]

    with ThreadPoolExecutor(10) as threads:
        for number, found in zip(range(10), threads.map(work, range(10)), strict=True):
            assert sorted(found) == list(range(number))
