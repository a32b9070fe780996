"""Searching by words beside vectors: what is found, what the store decides, how the index of words is kept."""

import asyncio

import pytest
from word_notes import TEXTS

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.stores.chroma import ChromaStore
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.memory import MemoryStore


@pytest.fixture
def index(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([sw.Text(text) for text in TEXTS])
        yield index


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("4711-B", 0),
        ("4711b", 0),
        ("4711_b", 0),
        ("e_conn-042", 1),
        ("CONN", 1),
        ("v2.3.1", 2),
        ("2.3.1", 2),
        ("getusername", 3),
        ("user_names.toml", 3),
        ("muller lodz", 4),
        ("東京", 5),
        ('"bear is awake"', 7),
        ("hand*", 4),
        ('4711-B" OR (NEAR AND *', 0),
    ],
)
def test_what_is_written_is_found_by_its_words(index, query, found):
    assert index.search(query, k=1, words=True)[0].text == TEXTS[found]


def found(index, query, **options):
    return [hit.text for hit in index.search(query, words=True, **options)]


def test_a_query_that_words_answer_says_how_much_of_it_they_match(index):
    best = index.search("E_CONN-042", k=1, words=True)[0]
    assert best.score > 3 > index.search("E_CONN-042", k=1)[0].score
    assert best.calibration == "above_chance"


def test_what_is_added_and_deleted_later_is_found_or_not(index):
    assert found(index, "XK-99", k=1) != ["The fuse XK-99 is blown."]
    index.add(sw.Text("The fuse XK-99 is blown."))
    (hit,) = index.search("XK-99", k=1, words=True)
    assert hit.text == "The fuse XK-99 is blown."
    index.delete(ids=hit.id)
    assert "The fuse XK-99 is blown." not in found(index, "XK-99", k=100)


def test_a_filter_limits_what_words_find(tmp_path, space):
    with Index(tmp_path / "index", spaces=[space]) as index:
        for number in range(60):
            index.add(sw.Text(f"Valve QZ-{number % 2} of hall {number}."), metadata={"hall": number})
        assert found(index, "QZ-1", k=5, filter={"hall": 57}) == ["Valve QZ-1 of hall 57."]
        assert found(index, "QZ-1", k=5, filter={"hall": {"gte": 58}, "year": 3}) == []


def test_what_words_find_is_looked_up_by_id_alone_and_its_vectors_for_a_page(tmp_path, space, monkeypatch):
    calls = []
    get = ChromaStore.get

    def counted(self, name, **options):
        records = get(self, name, **options)
        if options.get("ids") is not None:
            calls.append((options.get("condition"), len(records) if options["vectors"] else 0))
        return records

    with Index(tmp_path / "index", spaces=[space]) as index:
        for number in range(60):
            index.add(sw.Text(f"Valve QZ-{number % 2} of hall {number}."), metadata={"hall": number})
        index.search("QZ-1", words=True)
        monkeypatch.setattr(ChromaStore, "get", counted)
        assert len(found(index, "QZ-1", k=2, filter={"hall": {"in": [55, 57]}})) == 2
    assert {condition for condition, _ in calls} == {None}  # of which Chroma would look at every record
    assert sum(vectors for _, vectors in calls) <= 10


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_under_a_filter_for_few_records_only_these_are_looked_up(tmp_path, space, monkeypatch, kind):
    with Index(tmp_path / "index" if kind == "folder" else MemoryStore(), spaces=[space]) as index:
        index.add(
            [sw.Text(f"Valve QZ-{number % 2} of hall {number}.", source=f"note {number}") for number in range(400)]
        )
        store, looked_up, listed = index._store.store, [], []
        (name,) = [name for name in store.collections() if name.endswith("-text")]
        ids = {record.metadata["source"]: record.id for record in store.get(name)}
        for number in range(400):
            store.update_metadata(name, {ids[f"note {number}"]: {"hall": number}})
        index.search("QZ-1", words=True)
        get, known = type(store).get, Collections.matching_ids

        def counted(self, *given, **options):
            looked_up.extend(options.get("ids") or ())
            return get(self, *given, **options)

        monkeypatch.setattr(type(store), "get", counted)
        monkeypatch.setattr(Collections, "matching_ids", lambda *given: (listed.append(1), known(*given))[1])
        halls = {"in": [7, 108, 311]}
        assert set(found(index, "QZ-1", k=3, filter={"hall": halls})[:2]) == {
            "Valve QZ-1 of hall 7.",
            "Valve QZ-1 of hall 311.",
        }
        assert (len(listed), len(looked_up) < 100) == (1, True)
        assert len(found(index, "QZ-1", k=3, filter={"hall": {"gte": 50}})) == 3
        assert len(listed) == 1  # most records pass: what words find is looked up


@pytest.mark.parametrize(
    "fusion", ["above_chance", "zscore", "pseudo_positive", "tail", "rrf", "minmax", "dbsf", "none"]
)
def test_every_fusion_method_ranks_words_too(index, fusion):
    assert "4711-B" in found(index, "4711-B", k=1, fusion=fusion)[0]


def test_pages_of_words_and_vectors_do_not_overlap(index):
    pages = [found(index, "the bear 4711-B", k=3, offset=offset) for offset in (0, 3, 6)]
    assert [text for page in pages for text in page] == found(index, "the bear 4711-B", k=9)


def test_equal_content_of_several_files_is_one_result(tmp_path, space):
    for name in ("first", "second"):
        (tmp_path / f"{name}.txt").write_text("The fuse XK-99 is blown.")
    with Index(tmp_path / "index", spaces=[space]) as index:
        index.add([tmp_path / "first.txt", tmp_path / "second.txt"])
        index.add([sw.Text(text) for text in TEXTS])
        for query in ("XK-99", "second.txt XK-99", "fuse second.txt"):
            hits = index.search(query, k=50, words=True)
            assert [hit.text for hit in hits].count("The fuse XK-99 is blown.") == 1
            assert len(hits[0].sources) == 2


def test_names_of_files_and_lines_of_pictures_are_searched(index, tmp_path, write_picture):
    index.add(write_picture(tmp_path / "boiler-R17.png", "red"))
    index.add(write_picture(tmp_path / "other.png", "blue"))
    assert index.search("R17", k=1, words=True)[0].source.endswith("boiler-R17.png")
    (hit,) = index.search("something blue", k=1, words=True, modalities={"image"})
    assert hit.source.endswith("other.png")


def test_words_go_with_quotas_groups_diversity_and_least_scores(index, tmp_path, write_picture):
    index.add(write_picture(tmp_path / "red.png", "red"))
    assert "image" in [hit.modality for hit in index.search("4711-B", k=3, words=True, quota={"image": 1})]
    assert "4711-B" in found(index, "4711-B", k=2, group=True)[0]
    assert "4711-B" in found(index, "4711-B", k=2, diversity=0.3)[0]
    assert found(index, "4711-B", k=30, min_score=3) == [TEXTS[0]]


def test_a_query_of_several_parts_weighs_its_words(index):
    query = sw.Query([("E_CONN-042", 1), ("the bear", -0.5)])
    alone, together = (index.search(asked, k=1, words=True)[0] for asked in ("E_CONN-042", query))
    assert alone.text == together.text
    assert 0 < together.score < alone.score


async def test_asearch_finds_what_search_finds(index):
    queries = ["4711-B", "E_CONN-042", "東京", "bear"]
    expected = [found(index, query, k=4) for query in queries]

    hits = await asyncio.gather(*(index.asearch(query, k=4, words=True) for query in queries))
    assert [[hit.text for hit in result] for result in hits] == expected


def test_a_picture_asked_with_has_no_words(index, tmp_path, write_picture):
    path = write_picture(tmp_path / "red.png", "red")
    index.add(path)
    assert index.search(sw.Image(path), k=1, words=True)[0].source == str(path)


def test_a_hit_asked_with_has_no_words(index):
    (hit,) = index.search("4711-B", k=1, words=True)
    assert index.search(hit, k=5, words=True) == index.search(hit, k=5)


def test_words_must_be_true_or_false(index):
    with pytest.raises(TypeError, match="words must be True or False, not 'yes'"):
        index.search("bear", words="yes")
