"""Commands on an index in PostgreSQL, named by its address, and what they say where the database fails them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import command_line
import httpx
import pytest
from command_line import piped, served
from key_server import KEY
from postgres_server import PostgresServer, run_sql

pytestmark = [pytest.mark.slow, pytest.mark.integration]
TEXTS = {
    "library.txt": "The library opens at nine on weekdays.",
    "washing-machine.md": "Clean the filter of the washing machine.",
    "o'clock; --.txt": "The last train leaves at a quarter past twelve o'clock.",
}
READER = "reader_of_addresses"


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three texts."""
    folder = tmp_path_factory.mktemp("notes")
    for name, text in TEXTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def address(postgres: PostgresServer, notes: Path) -> str:
    """The address of a database with an index of the texts."""
    address = postgres.url(postgres.database())
    done = piped("index", notes, "--into", address)
    assert done.returncode == 0, done.stderr
    assert "3 added" in done.stdout
    return address


@pytest.fixture
def reader(postgres: PostgresServer, address: str) -> Iterator[str]:
    """The address of a role that logs in with the password `KEY`, and may only read."""
    run_sql(address, f"CREATE ROLE {READER} LOGIN")
    run_sql(address, f"GRANT USAGE ON SCHEMA senseweave TO {READER}")
    run_sql(address, f"GRANT SELECT ON ALL TABLES IN SCHEMA senseweave TO {READER}")
    postgres.ask_for_password(READER, KEY)
    yield address.replace("tester@", f"{READER}@")
    run_sql(address, f"DROP OWNED BY {READER}")
    run_sql(address, f"DROP ROLE {READER}")


def fails(done: subprocess.CompletedProcess[str], *words: str) -> bool:
    """Return whether a command failed with one line that holds some words."""
    assert done.returncode == 2, done.stdout
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert KEY not in line
    return all(word in line for word in words)


def sources(place: object, **environment: str) -> set[str]:
    done = piped("list", place, "--json", **environment)
    return {Path(entry["source"]).name for entry in json.loads(done.stdout)}


def test_an_index_in_a_database_is_read_by_every_command(address: str, notes: Path, tmp_path: Path) -> None:
    for options in ([], ["--words"]):
        hits = json.loads(piped("search", address, "when does the library open", *options, "--json").stdout)
        assert Path(hits[0]["source"]).name == "library.txt"
    assert sources(address) == set(TEXTS)
    facts = json.loads(piped("info", address, "--json").stdout)
    assert (facts["records"], facts["place"].partition("?")[0]) == (
        3,
        f"{address.replace('tester@', '')} (schema senseweave)",
    )
    assert piped("verify", address, "--sources").returncode == 0
    assert piped("clusters", address).returncode == 0
    assert fails(piped("repair", address), "needs the folder of an index")
    assert "0 added, 3 unchanged" in piped("index", notes, "--into", address, "--sync").stdout


def test_records_move_between_databases_and_are_deleted_by_name(
    postgres: PostgresServer, address: str, notes: Path, tmp_path: Path
) -> None:
    assert piped("export", address, tmp_path / "all.jsonl.gz").returncode == 0
    other = postgres.url(postgres.database())
    assert fails(piped("search", other, "a library"), "no senseweave index", "senseweave index FILES --into")
    assert "3 records read" in piped("import", tmp_path / "all.jsonl.gz", "--into", other).stdout
    hits = json.loads(piped("search", other, "when does the library open", "--json").stdout)
    assert Path(hits[0]["source"]).name == "library.txt"
    assert "o'clock; --.txt" in piped("delete", other, notes / "o'clock; --.txt", "--dry-run", folder=notes).stdout
    assert piped("delete", other, notes / "o'clock; --.txt").returncode == 0
    assert sources(other) == {"library.txt", "washing-machine.md"}
    assert piped("delete", other, "--filter", "source='; DROP SCHEMA senseweave; --").returncode == 1
    assert piped("delete", other, notes).returncode == 0
    assert piped("list", other).returncode == 1
    assert sources(address) == set(TEXTS)


def test_a_role_that_may_only_read_is_told_what_it_may_not_do(
    address: str, reader: str, notes: Path, tmp_path: Path
) -> None:
    password = {"PGPASSWORD": KEY}
    assert sources(reader, **password) == set(TEXTS)
    assert piped("verify", reader, **password).returncode == 0
    done = piped("search", reader, "when does the library open", "--json", **password)
    assert Path(json.loads(done.stdout)[0]["source"]).name == "library.txt"
    (tmp_path / "new.txt").write_text("A new note.", encoding="utf-8")
    for command in (("index", tmp_path, "--into", reader), ("delete", reader, notes / "library.txt")):
        done = piped(*command, **password)
        assert fails(done, "the role may not do this (permission denied", "grant it the rights")
    assert sources(address) == set(TEXTS)


def test_what_keeps_a_command_from_a_database_is_one_line(
    postgres: PostgresServer, address: str, reader: str, notes: Path, tmp_path: Path
) -> None:
    run_sql(address, "CREATE DATABASE without_pgvector")
    bare = reader.rpartition("/")[0] + "/without_pgvector"
    reasons = {
        (reader, ""): "no password supplied",
        (reader, f"not-{KEY}"): "password authentication failed",
        (reader.replace(READER, "nobody_here"), ""): 'role "nobody_here" does not exist',
        (reader.rpartition("/")[0] + "/nowhere", KEY): 'database "nowhere" does not exist',
        (bare, KEY): "CREATE EXTENSION vector",
        ("postgresql://tester@127.0.0.1:1/x", ""): "start it and try again",
        (
            reader.replace(f"{READER}@", f"{READER}:{KEY.replace('/', '%2F')}@"),
            "",
        ): "set it in the environment: PGPASSWORD",
    }
    for (place, password), reason in reasons.items():
        assert fails(piped("search", place, "a library", folder=tmp_path, PGPASSWORD=password), reason), reason
    assert fails(piped("index", notes, "--into", bare, folder=tmp_path, PGPASSWORD=KEY), "CREATE EXTENSION vector")
    assert not list(tmp_path.iterdir()), "no folder is made of an address"
    run_sql(address, "DROP DATABASE without_pgvector")


def test_a_server_reads_a_database_and_says_when_it_is_gone(address: str, reader: str) -> None:
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    with (
        served(reader, "--read-only", PGPASSWORD=KEY) as url,
        httpx.Client(base_url=url, timeout=120, trust_env=False) as client,
    ):
        asked = {"query": "when does the library open", "k": 1}
        (hit,) = client.post("/api/search", json=asked).json()["hits"]
        assert hit["source"].endswith("library.txt")
        run_sql(address, f"ALTER ROLE {READER} NOLOGIN")
        end_sessions(address)
        refused = client.post("/api/search", json=asked)
        assert refused.status_code == 503
        assert KEY not in refused.text
        run_sql(address, f"ALTER ROLE {READER} LOGIN")
        assert client.post("/api/search", json=asked).json()["hits"][0]["source"] == hit["source"]


def end_sessions(address: str) -> None:
    run_sql(
        address,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
        READER,
    )


def test_a_database_that_goes_away_while_files_are_added_is_one_line_and_adding_again_completes(notes: Path) -> None:
    server = PostgresServer()
    try:
        address = server.url(server.database())
        assert piped("index", notes / "library.txt", "--into", address).returncode == 0
        hold_next_write(address)
        command = [sys.executable, "-c", command_line.START, "index", str(notes), "--into", address]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for_write(address, writer)
        server.halt()
        output, errors = writer.communicate(timeout=120)
        assert fails(
            subprocess.CompletedProcess(command, writer.returncode, output, errors), "does not answer", "start it and"
        )
        server.start()
        run_sql(address, "DROP FUNCTION hold CASCADE")
        assert "2 added, 1 unchanged" in piped("index", notes, "--into", address).stdout
        assert sources(address) == set(TEXTS)
    finally:
        server.stop()


def hold_next_write(address: str) -> None:
    """Let every write to the records of texts wait in the server."""
    run_sql(
        address,
        "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(300); RETURN NEW; END'",
    )
    ((number,),) = run_sql(address, "SELECT number FROM senseweave.senseweave_collections WHERE name = 'starter-text'")
    table = f"senseweave.senseweave_records_{number}"
    run_sql(address, f"CREATE TRIGGER hold BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION hold()")


def wait_for_write(address: str, writer: "subprocess.Popen[str]") -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'senseweave' AND wait_event = 'PgSleep'"
    while run_sql(address, query) == [(0,)]:
        assert writer.poll() is None, "the writer ended before the server did"
        time.sleep(0.1)
