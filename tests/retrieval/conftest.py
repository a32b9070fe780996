"""Fixtures of the retrieval tests: a small real space, files of three modalities, an index over them."""

import wave
from pathlib import Path

import numpy as np
import pytest
from chroma_server import ChromaServer
from PIL import Image as PillowImage
from postgres_server import run_sql
from programs import load_program
from shared_space import tiny_space
from sparse_notes import WORDS, note
from tiny_models import import_tiny

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.spaces.sparse_space import SparseSpace


@pytest.fixture(scope="session")
def tiny():
    """The module `tiny_space`, which also runs as a program."""
    return tiny_space()


@pytest.fixture
def space(tiny):
    return tiny.make_space()


@pytest.fixture
def write_picture(tiny):
    """Writes a picture of one colour; `shade` makes pictures of equal colour differ."""

    def write(path, colour, shade=0):
        pixels = np.full((8, 8, 3), tiny.COLOURS[colour], np.uint8)
        pixels[0, 0] = (shade % 256, 7, 7)
        PillowImage.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def write_sound(tiny):
    """Writes a recording of pitches, each sounding for two seconds."""

    def write(path, pitches, seconds=2.0):
        times = np.arange(int(16_000 * seconds)) / 16_000
        samples = np.concatenate([0.5 * np.sin(2 * np.pi * tiny.PITCHES[name] * times) for name in pitches])
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((samples * 32767).astype("<i2").tobytes())
        return path

    return write


@pytest.fixture
def corpus_folder(tmp_path, write_picture, write_sound):
    """Texts, pictures and recordings in one folder."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, text in {
        "garden.txt": "tomatoes need water and sun",
        "trains.txt": "the last train leaves at midnight",
        "bread.txt": "knead the dough and let it rest",
        "colours.txt": "paint the wall in red and the door in blue",
    }.items():
        (folder / name).write_text(text)
    for number, colour in enumerate(("red", "green", "blue", "white")):
        write_picture(folder / f"{colour}.png", colour, number)
    write_sound(folder / "low.wav", ["low"])
    write_sound(folder / "song.wav", ["middle", "low", "high"])
    return folder


@pytest.fixture
def index(tmp_path, space, corpus_folder):
    """An index over `corpus_folder`."""
    with Index(tmp_path / "index", spaces=[space]) as made:
        report = made.add(corpus_folder)
        assert not report.failed
        yield made


@pytest.fixture
def names():
    """File names of hits, in order."""
    return lambda hits: [Path(hit.source).name for hit in hits]


@pytest.fixture
def server(tmp_path):
    """A Chroma server on the loopback interface."""
    running = ChromaServer(tmp_path / "server")
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="session")
def shared_chroma_server(tmp_path_factory):
    """A Chroma server that tests share, each with collections of its own."""
    running = ChromaServer(tmp_path_factory.mktemp("shared-server"))
    yield running
    running.kill()


@pytest.fixture(scope="session")
def shared_qdrant_stand_in():
    """What stands in for a Qdrant server, shared like `shared_chroma_server`."""
    from qdrant_server import qdrant_server  # with gRPC, which takes a second

    with qdrant_server() as running:
        yield running


@pytest.fixture(scope="module")
def database(postgres):
    """The address of a database in PostgreSQL that the tests of a module share."""
    return postgres.url(postgres.database())


@pytest.fixture
def address(database):
    """The address of a database without a store."""
    yield database
    run_sql(database, "DROP SCHEMA IF EXISTS senseweave CASCADE")


@pytest.fixture
def open_store(address, monkeypatch):
    """Open stores in PostgreSQL that see at once what others change, and close them after the test."""
    monkeypatch.setattr("senseweave.retrieval.stores.pgvector.SEEN_WITHIN", 0.0)
    opened = []

    def open_store(**options):
        opened.append(sw.stores.PgVector(address, **options))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture(scope="session")
def rivals():
    """The module `rival_writer`, which also runs as a program."""
    return load_program("rival_writer")


@pytest.fixture(scope="session")
def sparse_model(tmp_path_factory):
    """The folder of a sparse encoder in which a text weighs the words that it has."""
    return str(import_tiny("tiny_rerankers").save_word_weights(tmp_path_factory.mktemp("sparse"), WORDS))


@pytest.fixture
def sparse_folder(tmp_path, space, sparse_model):
    """The folder of an index with a sparse space, of 60 notes, of which each has a number of its own."""
    with Index(tmp_path / "index", spaces=[space, sparse_model]) as index:
        index.add([note(number) for number in range(60)])
    return tmp_path / "index"


@pytest.fixture
def embedded(monkeypatch):
    """The texts that a sparse space has embedded as documents."""
    texts = []
    real = SparseSpace.encode

    def encode(space, given, role="document"):
        if role == "document" and "fresh bread" not in given:  # the general phrases of the calibration
            texts.extend(given)
        return real(space, given, role)

    monkeypatch.setattr(SparseSpace, "encode", encode)
    return texts
