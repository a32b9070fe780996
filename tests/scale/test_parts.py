"""What indexing on Ray is made of, without a cluster."""

import os
import pickle

import numpy as np
import pytest
import ray_space
from PIL import Image
from typer.testing import CliRunner

import senseweave as sw
from senseweave.errors import FingerprintError, MediaError, PolicyError
from senseweave.retrieval.stores.memory import MemoryStore
from senseweave.scale.cluster import check_concurrency, processor_shares
from senseweave.scale.inputs import PATH, list_inputs
from senseweave.scale.known import Known, read_known
from senseweave.scale.reading import Job, Reader, in_background
from senseweave.scale.shipping import Outcome, ShippedChunk

arrow = pytest.importorskip("pyarrow", reason="needs senseweave[ray]")


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


@pytest.mark.parametrize("concurrency", [0, -1, (2, 1), (0, 1)])
def test_an_impossible_number_of_actors_is_refused(concurrency):
    with pytest.raises(ValueError, match="from 1"):
        check_concurrency(concurrency)


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
