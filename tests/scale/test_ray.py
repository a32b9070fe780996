"""Embedding and indexing on a local Ray cluster of two processors: equal to one process, and whole after deaths."""

import faulthandler
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import wave
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from filelock import FileLock

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_memory_monitor_refresh_ms"] = "0"  # noqa: SIM112  (it would kill processes for what others hold)
ray = pytest.importorskip("ray", reason="needs senseweave[ray]")
pytest.importorskip("ray.data", reason="needs senseweave[ray]")
pytest.importorskip("soundfile", reason="needs senseweave[audio]")

import pyarrow  # noqa: E402
import ray_space  # noqa: E402
from chroma_server import ChromaServer  # noqa: E402
from PIL import Image  # noqa: E402
from pyarrow import parquet  # noqa: E402

import senseweave as sw  # noqa: E402
from senseweave.cli.scaling import index_on_ray  # noqa: E402
from senseweave.retrieval.stores.memory import MemoryStore  # noqa: E402
from senseweave.spaces.space import Space  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.integration]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, pytestconfig):
    """Ray, once for the tests of this file; other processes of this run of pytest wait for it to end."""
    root = tmp_path_factory.getbasetemp()
    place = tempfile.mkdtemp(prefix="sw-ray-")  # sockets have short names
    with FileLock((root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "ray.lock"):
        try:
            yield ray_space.start_ray(place)
        finally:
            ray.shutdown()
            shutil.rmtree(place, ignore_errors=True)
            # Ray takes over the signals of crashes, and lets go of them: nothing would tell where a later one happened.
            if (standard_error := pytestconfig.stash.get(fault_handler_stderr_fd_key, None)) is not None:
                faulthandler.disable()
                faulthandler.enable(standard_error)


@pytest.fixture
def notes(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    return folder


@pytest.fixture
def space(notes):
    return ray_space.make_space(notes)


@pytest.fixture
def folder(tmp_path):
    """Files of three modalities: texts of several passages, equal contents, and a file that is broken."""
    place = tmp_path / "files"
    (place / "below").mkdir(parents=True)
    for number in range(6):
        sentences = [f"n{number}s{at} is a sentence about cats." for at in range(60)]
        (place / f"note-{number}.txt").write_text(" ".join(sentences))
    (place / "below" / "copy.txt").write_text((place / "note-0.txt").read_text())
    for name, colour in ray_space.tiny.COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(place / f"{name}.png")
    tone = np.sin(2 * np.pi * 800 * np.arange(80_000) / 16_000) * 20_000  # five seconds: three windows
    with wave.open(str(place / "tone.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(tone.astype("<i2").tobytes())
    Image.effect_noise((64, 64), 50).convert("RGB").save(place / "broken.png")
    (place / "broken.png").write_bytes((place / "broken.png").read_bytes()[:2000])
    return place


def stored(index):
    """Everything in the store by id."""
    return {
        record.id: record
        for description in index._store.descriptions.values()
        for record in index._store.get(description, vectors=True)
    }


def contents(index):
    """What an index holds by id, but for the time at which it was added."""
    return {
        identifier: (record.text, {**record.metadata, "added_at": None}) for identifier, record in stored(index).items()
    }


def assert_equal(one, other):
    assert contents(one) == contents(other)
    expected = stored(other)
    for identifier, record in stored(one).items():
        np.testing.assert_allclose(record.vector, expected[identifier].vector, atol=1e-6)


@pytest.fixture
def expected(folder, tmp_path):
    """The index that one process makes of the folder, and its report."""
    (tmp_path / "alone").mkdir()
    index = sw.Index(MemoryStore(), spaces=ray_space.make_space(tmp_path / "alone"))
    return index, index.add([folder], on_error="skip")


def test_vectors_are_those_of_one_process_and_errors_are_a_column(cluster, space):
    texts = [f"text {number} about {colour}" for number, colour in enumerate(list(ray_space.tiny.COLOURS) * 8)]
    items = [{"n": n, "body": body} for n, body in enumerate([*texts, None])]
    data = cluster.data.from_items(items, override_num_blocks=4)
    rows = sw.scale.embed(data, space, column="body", concurrency=2, batch_size=8).take_all()
    rows.sort(key=lambda row: row["n"])
    assert [row["n"] for row in rows] == list(range(41))
    missing = rows.pop()
    assert missing["vector"] is None
    assert "null" in missing["error"]
    alone = space.embed_text(texts)
    for row in rows:
        assert (row["body"], row["error"]) == (texts[row["n"]], None)
        np.testing.assert_allclose(row["vector"], alone[row["n"]], atol=1e-6)
    with pytest.raises(ray.exceptions.RayError, match="is null"):
        sw.scale.embed(data, space, column="body", on_error="raise").take_all()

    arrays = [np.full((8, 8, 3), colour, np.uint8) for colour in ray_space.tiny.COLOURS.values()]
    pictures = cluster.data.from_items([{"n": n, "picture": array} for n, array in enumerate(arrays)])
    rows = sw.scale.embed(pictures, space, column="picture", modality="image", output="v").take_all()
    for row in rows:
        np.testing.assert_allclose(row["v"], space.embed_image(arrays)[row["n"]], atol=1e-6)
    assert len(rows) == len(arrays)


def test_an_index_is_that_of_one_process_and_nothing_is_embedded_again(
    cluster, space, notes, folder, expected, tmp_path
):
    index = sw.Index(tmp_path / "index", spaces=space)
    failures = tmp_path / "failures.parquet"
    report = sw.scale.index(folder, index, concurrency=2, batch_size=4, failures=failures)
    alone, its_report = expected
    assert_equal(index, alone)
    assert report.counts == its_report.counts
    rows = parquet.read_table(failures).to_pylist()
    assert [(row["source"], row["reason"]) for row in rows] == [
        (error.source, error.reason) for error in its_report.failed
    ]
    assert rows[0]["source"].endswith("broken.png")

    before = ray_space.noted(notes)
    again = sw.scale.index(folder, index, failures=None)
    assert ray_space.noted(notes) == before
    assert again.skipped == len(index) == len(alone)
    assert again.added == 0

    (folder / "note-1.txt").write_text("Now it says something else.")
    changed = sw.scale.index([folder / "note-1.txt"], index, failures=None)
    assert changed.added == 1
    assert changed.replaced > 0
    alone.add([folder], on_error="skip")
    assert_equal(index, alone)
    index.close()


def test_the_command_line_lists_failures_in_a_file(cluster, space, tmp_path):
    (tmp_path / "note.txt").write_text("a note")
    (tmp_path / "empty.txt").write_text("")
    index = sw.Index(MemoryStore(), spaces=space)
    listed = tmp_path / "index-failures.parquet"
    report, failed = index_on_ray("auto", [tmp_path / "note.txt", tmp_path / "empty.txt"], index, listed, 1, 0.0, None)
    assert (report.added, failed) == (1, True)
    rows = parquet.read_table(listed).to_pylist()
    assert [row["source"] for row in rows] == [str(tmp_path / "empty.txt")]


def test_datasets_of_webdataset_and_of_parquet_into_a_server(cluster, space, tmp_path):
    import tarfile

    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        for name, colour in ray_space.tiny.COLOURS.items():
            Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
            (tmp_path / f"{name}.txt").write_text(f"the word {name}")
            for ending in ("png", "txt"):
                archive.add(tmp_path / f"{name}.{ending}", f"{name}.{ending}")
    samples = cluster.data.read_webdataset(str(shard), decoder=None)
    index = sw.Index(MemoryStore(), spaces=space)
    report = sw.scale.index(samples, index, column=["png", "txt"], source="__key__", failures=None)
    assert (report.added, report.failed) == (10, [])
    assert {record.source for record in index.records(modalities={"image"})} == {
        f"{name}.png" for name in ray_space.tiny.COLOURS
    }
    assert index.search("the word green", k=1, modalities={"text"})[0].source == "green.txt"

    rows = [{"body": f"row {number}", "name": f"r{number}", "year": 2000 + number} for number in range(5)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    table = cluster.data.read_parquet(str(tmp_path / "rows.parquet"))
    server = ChromaServer(tmp_path / "server")
    address = f"http://127.0.0.1:{server.port}"
    try:
        options = {"column": "body", "modality": "text", "source": "name", "metadata": ["year"]}
        report = sw.scale.index(table, address, space, failures=None, **options)
        assert report.added == 5
        with closing(sw.stores.connect(address)) as store:
            (hit,) = sw.Index(store, spaces=space).search("row 3", k=1, filter={"year": 2003})
            assert (hit.source, hit.text) == ("r3", "row 3")
    finally:
        server.kill()


def test_what_cannot_work_is_said_before_anything_is_read(cluster, space):
    data = cluster.data.from_items([{"body": "words"}])
    index = sw.Index(MemoryStore(), spaces=space)
    mine = sw.Index(MemoryStore(), spaces=Space("mine", space.encoders))
    text = {"column": "body", "modality": "text", "failures": None}
    for error, said, call in (
        (ValueError, "num_gpus=1: no node", lambda: sw.scale.embed(data, space, num_gpus=1)),
        (ValueError, "num_gpus=1: no node", lambda: sw.scale.index(data, index, num_gpus=1, **text)),
        (ValueError, "whole number", lambda: sw.scale.embed(data, space, num_gpus=1.5)),
        (ValueError, "batch_size", lambda: sw.scale.embed(data, space, batch_size=0)),
        (ValueError, "both be named", lambda: sw.scale.embed(data, space, output="x", errors="x")),
        (ValueError, "no column 'title'; it has: body", lambda: sw.scale.embed(data, space, column="title")),
        (ValueError, "names no column", lambda: sw.scale.index(data, index, **{**text, "column": []})),
        (ValueError, "has its spaces", lambda: sw.scale.index(data, index, "starter", **text)),
        (ValueError, "does not exist", lambda: sw.scale.index(data, index, **{**text, "failures": "missing/x"})),
        (TypeError, "not int", lambda: sw.scale.embed(7, space)),
        (TypeError, "space mine cannot be sent", lambda: sw.scale.embed(data, Space("mine", space.encoders))),
        (TypeError, "space mine cannot be sent", lambda: sw.scale.index(data, mine, **text)),
    ):
        with pytest.raises(error, match=said):
            call()
    nothing = cluster.data.from_items([])
    assert sw.scale.embed(nothing, space, column="body").take_all() == []
    assert sw.scale.index(nothing, index, **text).added == 0


def test_files_are_embedded_under_the_policy_and_say_why_if_not(cluster, space, tmp_path):
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "note.txt").write_text("a note")
    os.symlink(tmp_path / "nowhere", folder / "broken.txt")
    (tmp_path / "outside.txt").write_text("outside")
    (folder / ".hidden").write_text("hidden")
    policy = sw.MediaPolicy(root=folder)
    rows = sw.scale.embed([folder, tmp_path / "outside.txt"], space, policy=policy).take_all()
    found = {Path(row["path"]).name: (row["bytes"], row["error"]) for row in rows}
    assert found.keys() == {"note.txt", "broken.txt", "outside.txt"}
    assert found["note.txt"] == (b"a note", None)
    assert "no such file" in found["broken.txt"][1]
    assert "outside the policy's root" in found["outside.txt"][1]
    (vector,) = (row["vector"] for row in rows if row["vector"] is not None)
    np.testing.assert_allclose(vector, space.embed_text(["a note"])[0], atol=1e-6)


def test_a_task_of_ray_leaves_its_own_processor_out_of_account(cluster, notes, tmp_path):
    (tmp_path / "note.txt").write_text("a note")

    def index_there():
        index = sw.Index(MemoryStore(), spaces=ray_space.make_space(notes))
        return sw.scale.index(tmp_path / "note.txt", index, failures=None).added

    task = cluster.remote(index_there)
    assert cluster.get(task.options(num_cpus=1).remote(), timeout=120) == 1
    with pytest.raises(ValueError, match="num_cpus=0"):
        cluster.get(task.options(num_cpus=2).remote(), timeout=120)


def test_a_row_that_kills_each_actor_is_passed_over_and_says_so(cluster, space, notes):
    (notes / "poison").touch()
    items = [{"n": n, "body": body} for n, body in enumerate(["one", "This is poison to actors", "three"])]
    rows = sw.scale.embed(cluster.data.from_items(items, override_num_blocks=1), space, column="body").take_all()
    one, poison, three = sorted(rows, key=lambda row: row["n"])
    assert poison["vector"] is None
    assert "ended the process" in poison["error"]
    for row in (one, three):
        np.testing.assert_allclose(row["vector"], space.embed_text([row["body"]])[0], atol=1e-6)


def test_a_killed_reader_and_a_killed_actor_lose_and_double_nothing(cluster, space, notes, folder, tmp_path):
    (folder / "below" / "first.txt").write_text(f"This is deadly to readers, {ray_space.LONG}")
    (folder / "below" / "second.txt").write_text(f"This is deadly to actors, {ray_space.LONG}")
    (tmp_path / "alone").mkdir()
    alone = sw.Index(MemoryStore(), spaces=ray_space.make_space(tmp_path / "alone"))
    alone.add([folder], on_error="skip")
    for whom in ("readers", "actors"):
        (folder / "below" / f"poison-{whom}.txt").write_text(f"This is poison to {whom}, {ray_space.LONG}")
    for flag in ("reader", "actor", "poison"):
        (notes / flag).touch()
    index = sw.Index(MemoryStore(), spaces=space)
    report = sw.scale.index(folder, index, concurrency=1, batch_size=4, failures=None)
    killers = {Path(error.source).name for error in report.failed if "ended the process" in error.reason}
    assert killers == {"poison-readers.txt", "poison-actors.txt"}
    assert [flag for flag in ("reader", "actor") if (notes / flag).exists()] == []  # both have died
    assert_equal(index, alone)
    assert report.added + report.copies == len(alone)


def test_a_killed_driver_resumes_and_embeds_nothing_that_was_written(cluster, space, notes, folder, expected, tmp_path):
    place = tempfile.mkdtemp(prefix="sw-ray-")
    call = f"ray_space.index_and_die({place!r}, {str(notes)!r}, {str(tmp_path / 'index')!r}, {str(folder)!r})"
    path = os.pathsep.join([str(Path(ray_space.__file__).parent), *filter(None, sys.path)])
    driver = subprocess.Popen(
        [sys.executable, "-c", f"import ray_space; {call}"],
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
        stderr=subprocess.PIPE,
    )
    try:
        _, said = driver.communicate(timeout=300)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
        shutil.rmtree(place, ignore_errors=True)
    assert driver.returncode == -signal.SIGKILL, said.decode()
    written = (notes / "written").read_text().split()
    (notes / "embedded").unlink()

    index = sw.Index(tmp_path / "index", spaces=space)
    assert sorted(contents(index)) == written
    report = sw.scale.index(folder, index, failures=None)
    alone, _ = expected
    assert_equal(index, alone)
    assert report.skipped == len(written)
    assert report.added + report.copies == len(alone) - len(written)
    heads = {" ".join(text.split()[:3]) for text, _ in (contents(alone)[name] for name in written)}
    assert heads.isdisjoint(ray_space.noted(notes))
    index.close()
