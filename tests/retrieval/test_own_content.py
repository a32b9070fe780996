"""A query by media that is stored, as it is or encoded again, finds its own record first under every fusion method."""

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

import senseweave as sw
from senseweave.media import MODALITIES
from senseweave.retrieval import METHODS, Index
from senseweave.retrieval.calibration.statistics import background
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.query import Query
from senseweave.retrieval.ranking import rank
from senseweave.retrieval.records.schema import Provenance
from senseweave.retrieval.search.own_content import OwnContent, own_content
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.source import Candidate, RankingSource

DIMENSION = 24
CORPUS = Path(__file__).parents[2] / "examples" / "data"


class Vectors(RankingSource):
    """Records of one modality as unit vectors."""

    space = "space"

    def __init__(self, modality, vectors):
        self.name = self.modality = modality
        self.vectors = vectors

    def query(self, vector, k, *, with_vectors):
        similarities = self.vectors @ vector
        return [
            Candidate(f"{self.modality} {at}", {"modality": self.modality, "source": f"{at}"}, "", similarities[at])
            for at in np.argsort(-similarities)[:k]
        ]

    def statistics(self, query_modality):
        rng = np.random.default_rng(1)
        known = background(unit(rng.normal(size=(8, DIMENSION))), self.vectors)
        return replace(known, slope=1.0, intercept=-2.0)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@st.composite
def mixed(draw):
    """Small collections of all modalities, some of them near the query, and the record that is asked with."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = {modality: draw(st.integers(0, 4)) for modality in MODALITIES}
    asked = draw(st.sampled_from(MODALITIES))
    counts[asked] = max(counts[asked], 1)
    query = unit(rng.normal(size=DIMENSION))
    near = draw(st.floats(0, 3))  # how alike records of other modalities are
    vectors = {name: unit(rng.normal(size=(count, DIMENSION)) + near * query) for name, count in counts.items()}
    noise = draw(st.floats(0, 0.02 if asked == "text" else 0.3))
    own = rng.integers(counts[asked])
    vectors[asked] = unit(rng.normal(size=(counts[asked], DIMENSION)))
    vectors[asked][own] = unit(query + noise * unit(rng.normal(size=DIMENSION)))
    return asked, own, query, vectors


@pytest.mark.parametrize("method", METHODS)
@given(mixed())
def test_it_is_first_under_every_method_however_few_records_there_are(method, given_lists):
    asked, own, query, vectors = given_lists
    sources = [Vectors(modality, rows) for modality, rows in vectors.items() if len(rows)]
    embedded = {"space": [EmbeddedPart(query, asked, 1.0)]}
    ranked = rank(None, sources, embedded, Plan(k=20, method=method))
    assert ranked[0].hit.id == f"{asked} {own}"
    scores = [entry.hit.score for entry in ranked]
    assert scores == sorted(scores, reverse=True)


def scored(query, plan=None, **rows):
    sources = [Vectors(modality, unit(np.array(vectors))) for modality, vectors in rows.items()]
    embedded = {"space": [EmbeddedPart(unit(np.array(query)), "image", 1.0)]}
    return {entry.hit.id: entry.hit.score for entry in rank(None, sources, embedded, plan or Plan(k=9, method="none"))}


def axis(*entries):
    return np.pad(np.array(entries, float), (0, DIMENSION - len(entries)))


def test_scores_of_all_other_records_are_those_of_the_method():
    found = scored(axis(1), image=[axis(0.9, 0.2), axis(0, 1)], video=[axis(1)])
    assert found == pytest.approx({"image 0": 1.0, "video 0": 1.0, "image 1": 0.0})
    assert list(found) == ["image 0", "video 0", "image 1"]


def test_another_modality_and_a_record_that_is_merely_similar_are_left_where_they_are():
    found = scored(axis(1), image=[axis(0.7, 0.7)], video=[axis(1, 0.1)], text=[axis(1, 0.2)])
    assert list(found) == ["video 0", "text 0", "image 0"]


def test_the_smallest_score_that_is_asked_for_holds_for_it_as_for_all():
    assert scored(axis(1), Plan(k=9, method="none", min_score=1.1), image=[axis(1)]) == {}


def test_the_statistics_of_a_source_are_asked_for_only_where_something_is_near(monkeypatch):
    asked = []
    monkeypatch.setattr(Vectors, "statistics", lambda self, modality: asked.append(self.name))
    scored(axis(1), image=[axis(0.5, 0.8)], video=[axis(1)], text=[axis(1)])
    assert asked == []
    scored(axis(1), image=[axis(1)], video=[axis(1)])
    assert asked == ["image"]


def test_where_all_records_are_alike_only_those_that_are_equal_count():
    own = OwnContent("image")
    record = Provenance("image")
    assert own.evidence(record, 0.9, 0.1) == 0.9
    assert own.evidence(record, 0.9, 0.7) == 0.0
    assert own.evidence(record, 0.97, 0.7) == 0.97
    assert own.evidence(Provenance("video"), 1.0, 0.0) == 0.0


def test_equal_bytes_count_more_than_any_similarity_and_only_for_the_part_that_is_asked_with():
    own = OwnContent("audio", "ab", span=(10.0, 20.0))
    assert own.evidence(Provenance("audio", span=(15.0, 30.0), sha256="ab"), 0.1, 0.0) > 1
    assert own.evidence(Provenance("audio", span=(20.0, 30.0), sha256="ab"), 0.1, 0.0) == 0
    page = OwnContent("image", "ab", page=2)
    assert page.evidence(Provenance("image", page=2, sha256="ab"), 0.5, None) > 1
    assert page.evidence(Provenance("image", page=3, sha256="ab"), 0.5, None) == 0


def test_a_query_of_several_parts_has_no_content_of_its_own(corpus_folder):
    red = sw.Image(corpus_folder / "red.png")
    assert own_content(Query([red]), {}) == OwnContent("image", red.sha256)
    assert own_content(Query([(red, 1.0), ("people", -0.5)]), {}) is None
    parts = [EmbeddedPart(unit(axis(1)), "image", 1.0), EmbeddedPart(unit(axis(0, 1)), "text", -0.5)]
    assert own_content(None, {"space": parts[:1]}) == OwnContent("image")
    assert own_content(None, {"space": parts}) is None


def test_of_pictures_with_one_vector_the_one_with_the_same_bytes_is_first(tmp_path, space, write_picture, names):
    red = write_picture(tmp_path / "red.png", "red")
    PillowImage.open(red).save(tmp_path / "red.bmp")
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([red, tmp_path / "red.bmp"])
        for path in (red, tmp_path / "red.bmp"):
            assert names(index.search(sw.Image(path), k=1)) == [path.name]


@pytest.fixture(scope="module")
def starter_index(tmp_path_factory):
    """A small mixed index whose video and note are about the picture in it."""
    folder = tmp_path_factory.mktemp("mixed")
    picture = PillowImage.open(CORPUS / "images" / "photo-03.jpg").convert("RGB")
    picture.save(folder / "picture.png")
    with av.open(str(folder / "clip.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 208, "yuv420p"
        for _ in range(20):
            out.mux(stream.encode(av.VideoFrame.from_image(picture.resize((320, 208)))))
        out.mux(stream.encode())
    index = Index(tmp_path_factory.mktemp("index") / "starter")
    index.add([folder, CORPUS / "images" / "photo-01.jpg", CORPUS / "audio" / "recording-01.wav"])
    labels = next(record.text for record in index._store.get(index._store.descriptions["starter", "image"]))
    index.add(sw.Text(labels.partition("(")[0], source="note"))
    yield index, folder
    index.close()


def jpeg(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85, **options)
    return sw.Image(buffer.getvalue())


def mp3(path, folder):
    with av.open(str(path)) as given, av.open(str(folder / "again.mp3"), "w") as out:
        stream = out.add_stream("libmp3lame", rate=44100, layout="mono")
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=44100)
        for frame in given.decode(audio=0):
            for part in resampler.resample(frame):
                out.mux(stream.encode(part))
        out.mux(stream.encode())
    return sw.Audio(folder / "again.mp3")


@pytest.mark.integration
@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("pseudo_positive", "platt")])
def test_starter_finds_stored_media_first_also_when_they_are_encoded_again(starter_index, tmp_path, method):
    index, folder = starter_index
    picture = PillowImage.open(folder / "picture.png")
    sound = CORPUS / "audio" / "recording-01.wav"
    half = picture.resize((picture.width // 2, picture.height // 2))
    for query, name in (
        (sw.Image(folder / "picture.png"), "picture.png"),
        (jpeg(picture), "picture.png"),
        (sw.Image(half), "picture.png"),
        (sw.Video(folder / "clip.mp4"), "clip.mp4"),
        (sw.Audio(sound), "recording-01.wav"),
        (mp3(sound, tmp_path), "recording-01.wav"),
    ):
        assert Path(index.search(query, fusion=method, k=1)[0].source).name == name, query
