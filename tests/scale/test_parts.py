"""What indexing on Ray is made of, without a cluster."""

import os
import pickle
import sys

import numpy as np
import pytest
import ray_space
from PIL import Image
from typer.testing import CliRunner

import senseweave as sw
from senseweave.errors import FingerprintError, MediaError, PolicyError
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.scale.cluster import check_concurrency, check_devices, processor_shares
from senseweave.scale.deaths import Record, rows_key
from senseweave.scale.indexing import _check_failures_file
from senseweave.scale.inputs import PATH, Columns, list_inputs
from senseweave.scale.known import Known, read_known
from senseweave.scale.reading import Job, Reader, in_background
from senseweave.scale.shipping import Outcome, ShippedChunk

arrow = pytest.importorskip("pyarrow", reason="needs senseweave[ray]")


@pytest.fixture(autouse=True)
def _no_cluster_is_started():
    yield
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()


@pytest.fixture
def space(tmp_path):
    (tmp_path / "notes").mkdir()
    return ray_space.make_space(tmp_path / "notes")


def job(space, known=None, **options):
    return Job((space,), sw.MediaPolicy(), known or Known([]), None, options, (space.fingerprint,))


def read(space, *paths, known=None):
    reader = Reader(job(space, known))
    return list(reader.read(arrow.table({PATH: [os.fsencode(path) for path in paths]})))


@pytest.mark.parametrize(("available", "actors"), [(0, 3), (1, 1), (2, 1), (2, 2), (2, 8), (3, 2), (64, 8), (0.5, 1)])
def test_actors_and_a_reader_find_room_together(available, actors):
    own, task = processor_shares(available, actors)
    assert own > 0
    assert task > 0
    assert own != task  # or Ray would read where it embeds
    if available:
        assert own * actors + task <= available


@pytest.mark.parametrize("concurrency", [0, -1, (2, 1), (0, 1), (1, 2, 3), (1, None), "2", 1.5, None, True])
def test_an_impossible_number_of_actors_is_refused(concurrency):
    with pytest.raises(ValueError, match="from 1"):
        check_concurrency(concurrency)


def test_a_space_on_several_devices_is_refused_with_what_to_say_instead():
    several = sw.load("starter", device=["cpu", "cpu"])
    with pytest.raises(ValueError, match=r"starter is loaded on cpu, cpu, .* concurrency=2, num_gpus=1"):
        check_devices([sw.load("starter", device="cpu"), several])
    for place in ("notes", sw.Index(MemoryStore(), spaces=several)):
        call = sw.scale.embed if isinstance(place, str) else sw.scale.index
        with pytest.raises(ValueError, match="an actor computes on one device"):
            call([], several) if isinstance(place, str) else call([], place)


def test_what_an_index_holds_is_known_by_id_source_and_content(space, tmp_path):
    (tmp_path / "note.txt").write_text("a note")
    index = sw.Index(MemoryStore(), spaces=space)
    assert len(read_known(index._store).digests) == 0
    index.add([tmp_path / "note.txt"])
    known = read_known(index._store)
    (record,) = index.records()
    assert known.has_id(record.id)
    assert not known.has_id(record.id[::-1])
    assert known.has_source(str(tmp_path / "note.txt"))
    (tmp_path / "copy.txt").write_text("a note")
    (tmp_path / "other.txt").write_text("another note")
    shipped = read(space, *(tmp_path / f"{name}.txt" for name in ("note", "copy", "other")), known=known)
    wanted = {chunk.source.rpartition("/")[2]: chunk.wanted for chunk in shipped if isinstance(chunk, ShippedChunk)}
    assert wanted == {"note.txt": (), "copy.txt": (), "other.txt": ("tiny",)}
    outcomes = [item for item in shipped if isinstance(item, Outcome)]
    assert [list(outcome.states) for outcome in outcomes] == [[str(tmp_path / "note.txt")], [], []]


def test_a_chunk_travels_decoded_and_without_its_file(space, tmp_path):
    Image.effect_noise((40, 30), 50).convert("RGB").save(tmp_path / "noise.png")
    chunk, _ = read(space, tmp_path / "noise.png")
    expected = np.asarray(Image.open(tmp_path / "noise.png"))
    digest, size = chunk.media.sha256, (tmp_path / "noise.png").stat().st_size
    (tmp_path / "noise.png").unlink()
    arrived = pickle.loads(pickle.dumps(chunk))
    np.testing.assert_array_equal(np.asarray(arrived.media.shared({})), expected)
    assert (arrived.media.sha256, arrived.media.mime_type) == (digest, "image/png")
    assert len(pickle.dumps(chunk)) < expected.nbytes + 3000
    assert size > 1000
    with pytest.raises(MediaError, match="read by another process"):
        arrived.media.read()


def test_a_large_chunk_travels_by_its_path(space, tmp_path, monkeypatch):
    monkeypatch.setattr("senseweave.scale.shipping.LARGEST_DECODED", 1000)
    Image.new("RGB", (400, 300), (220, 30, 30)).save(tmp_path / "red.png")
    chunk, _ = read(space, tmp_path / "red.png")
    arrived = pickle.loads(pickle.dumps(chunk))
    assert len(pickle.dumps(chunk)) < 5000
    assert arrived.media.shared is None
    np.testing.assert_allclose(space.embed([arrived.media]), space.embed_image([tmp_path / "red.png"]), atol=1e-6)


def test_a_process_with_other_models_refuses_to_work(space):
    wrong = Job((space,), sw.MediaPolicy(), Known([]), None, {}, ("0" * 16,))
    with pytest.raises(FingerprintError, match="tiny"):
        Reader(wrong)


@pytest.mark.parametrize(
    ("value", "modality", "source", "stored"),
    [
        ("words", "text", "row 1", ("text", "row 1")),
        (b"words", "text", "row 1", ("text", "row 1")),
        (b"words", "text", b"row 1", ("text", "row 1")),
        (b"words", None, "row 1", ("text", "row 1")),
        ({"bytes": b"words", "path": "a.txt"}, None, None, ("text", "a.txt")),
        ({"bytes": None, "path": "{file}"}, None, None, ("text", "{file}")),
        ("{file}", None, "row 1", ("text", "{file}")),
        ("{array}", "image", "row 1", ("image", "row 1")),
        ("{picture}", "image", "row 1", ("image", "row 1")),
        ("{picture}", None, "row 1", ("image", "row 1")),
        ("{array}", "image", float("nan"), ("image", "ndarray:")),
    ],
)
def test_values_of_a_column_are_filed_under_their_source(value, modality, source, stored, space, tmp_path):
    (tmp_path / "file.txt").write_text("words")
    red = np.full((8, 8, 3), (220, 30, 30), np.uint8)
    made = {"{file}": str(tmp_path / "file.txt"), "{array}": red, "{picture}": Image.fromarray(red)}
    if isinstance(value, dict):
        value = {name: made.get(part, part) for name, part in value.items()}
    elif isinstance(value, str):
        value = made.get(value, value)
    accessor = pytest.importorskip("ray.data.block", reason="needs senseweave[ray]").BlockAccessor
    content = np.empty(1, object)
    content[0] = value
    rows = accessor.batch_to_block({"content": content, "source": [source]})
    columns = Columns(("content",), modality, "source")
    job_ = Job((space,), sw.MediaPolicy(), Known([]), columns, {}, (space.fingerprint,))
    chunk, outcome = Reader(job_).read(rows)
    assert outcome.failed == []
    assert chunk.media.modality == stored[0]
    assert chunk.source.startswith(stored[1].replace("{file}", str(tmp_path / "file.txt")))


@pytest.mark.parametrize(("name", "value"), [("tags", ["a", "b"]), ("page", 3), ("sha256", "x"), ("$odd", 1)])
def test_an_input_with_metadata_that_cannot_be_stored_is_named(name, value, space):
    columns = Columns(("content",), "text", "source", (name,))
    job_ = Job((space,), sw.MediaPolicy(), Known([]), columns, {}, (space.fingerprint,))
    rows = arrow.table({"content": ["words", "more words"], "source": ["row 1", "row 2"], name: [value, None]})
    *read, outcome = Reader(job_).read(rows)
    first, *_ = [found for found in read if isinstance(found, Outcome)]
    assert [(error.source, f"'{name}'" in error.reason) for error in first.failed] == [("row 1", True)]
    assert outcome.failed == []


def test_failures_need_a_place_that_can_be_written(tmp_path):
    _check_failures_file(tmp_path / "failures.parquet")
    for place, said in (
        (tmp_path, "is a folder"),
        (tmp_path / "missing" / "failures.parquet", "does not exist"),
        ("s3://bucket/failures.parquet", "is a URL"),
    ):
        with pytest.raises(ValueError, match=said):
            _check_failures_file(place)


def test_an_input_is_passed_over_when_it_has_been_the_last_of_its_process_twice():
    record = Record()
    assert record.begin("task") == (False, frozenset())
    assert record.begin("task") == (True, frozenset())  # died, at what is not known
    for dead in (frozenset(), frozenset({7})):
        record.reach("task", 6)
        record.reach("task", 7)
        assert record.begin("task") == (True, dead)
    record.end("task")
    assert record.begin("task") == (False, frozenset())


def test_rows_of_one_process_have_keys_of_their_own():
    rows = arrow.table({"row": arrow.array([b"one", b"two", b"six", b"ten"], arrow.large_binary())})
    parts = [rows.slice(0, 2), rows.slice(2, 2), rows.slice(1, 2)]
    assert len({rows_key(part) for part in parts}) == 3
    assert rows_key(rows.slice(2, 2)) == rows_key(parts[1])


def test_a_folder_of_an_object_store_is_listed_where_the_policy_allows_it(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for name in ("b.txt", "below/a.txt"):
        store.pipe(f"/listed/{name}", b"words")
    policy = sw.MediaPolicy(filesystems={"memory"})
    (tmp_path / "here.txt").write_text("words")
    paths, failed = list_inputs(["memory://listed", str(tmp_path)], policy)
    assert paths == ["memory:///listed/b.txt", "memory:///listed/below/a.txt", str(tmp_path / "here.txt")]
    assert failed == []
    (url,), failed = list_inputs(["memory://listed"], sw.MediaPolicy())  # refused where it is read, like any URL
    assert (url, failed) == ("memory://listed", [])
    with pytest.raises(PolicyError, match="memory"):
        sw.Text.open(url).decode()
    _, failed = list_inputs(["memory://listed/nothing/"], policy)
    assert failed == []


def test_what_runs_in_the_background_waits_and_is_given_up(space):
    handed = []

    def run(hand_over):
        for number in range(1000):
            hand_over(number)
            handed.append(number)

    taken = in_background(run)
    assert [next(taken) for _ in range(3)] == [0, 1, 2]
    taken.close()
    assert len(handed) < 20

    def fail(hand_over):
        hand_over("first")
        raise MediaError("a file", "is broken")

    failing = in_background(fail)
    assert next(failing) == "first"
    with pytest.raises(MediaError, match="is broken"):
        next(failing)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ray", "auto", "--sync"], "--sync and --watch are for one process"),
        (["--actors", "2"], "are for --ray"),
        (["--gpus", "1"], "are for --ray"),
    ],
)
def test_options_of_the_command_line_that_exclude_each_other(options, said, tmp_path):
    from senseweave.cli.app import app

    done = CliRunner().invoke(app, ["index", str(tmp_path), "--into", str(tmp_path / "index"), *options])
    assert said in str(done.exception)
    assert not (tmp_path / "index").exists()
