"""Pages of a PDF that are kept as text, as a picture, or as both, which are one hit and go together."""

import pytest
from pdf_objects import write_pages

import senseweave as sw
from senseweave.stores import Memory
from senseweave.testing import toy_space

LONG = ["the lighthouse keeper counts ships all night long"] * 60
PAGES = [["part 4711 of the pump"], LONG, ["nothing else is here"]]


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "manual.pdf"
    path.write_bytes(write_pages(PAGES))
    return path


@pytest.fixture(params=["folder", "memory"])
def index(tmp_path, request):
    place = tmp_path / "index" if request.param == "folder" else Memory()
    with sw.Index(place, spaces=toy_space()) as index:
        yield index


def kinds(index, **options):
    return sorted((hit.page, hit.modality) for hit in index.search("the pump", k=50, **options))


def test_a_page_of_text_and_picture_is_one_hit(index, pdf):
    report = index.add(pdf, pages="both")
    assert not report.failed
    assert {hit.page for hit in index.search("the pump", k=50, modalities={"image"})} == {1, 2, 3}
    hits = index.search("part 4711 of the pump", k=50)
    assert sorted(hit.page for hit in hits) == [1, 2, 3]
    assert (hits[0].page, hits[0].modality, hits[0].text) == (1, "text", "part 4711 of the pump")
    assert hits[0].picture.decode().size == (1200, 1600)
    pages = [index.search("the lighthouse keeper", k=1, offset=at)[0].page for at in range(3)]
    assert sorted(pages) == [1, 2, 3]
    assert len(index.search("the lighthouse keeper", k=50, group=True)) == 1


def test_a_page_that_words_find_is_one_hit_too(index, pdf):
    index.add(pdf, pages="both")
    hits = index.search('"ships all night"', k=50, words=True)
    assert sorted(hit.page for hit in hits) == [1, 2, 3]
    assert hits[0].page == 2
    assert "lighthouse keeper" in hits[0].text


def test_the_picture_leads_where_it_answers_better(index, pdf):
    index.add(pdf, pages="both")
    hits = index.search(sw.Image(pdf, page=2), k=50)
    assert sorted(hit.page for hit in hits) == [1, 2, 3]
    assert (hits[0].page, hits[0].modality) == (2, "image")


def test_each_choice_replaces_the_other(index, pdf):
    index.add(pdf)
    separate = kinds(index)
    passages = sum(modality == "text" for _, modality in separate)
    assert passages > 3
    assert sum(modality == "image" for _, modality in separate) == 3
    index.add(pdf, pages="both")
    assert len(kinds(index)) == 3
    index.add(pdf, pages="text")
    assert kinds(index) == [(page, modality) for page, modality in separate if modality == "text"]
    index.add(pdf, pages="picture")
    assert kinds(index) == [(1, "image"), (2, "image"), (3, "image")]
    index.add(pdf, pages="separate")
    assert kinds(index) == separate
    assert index.add(pdf, pages="separate").counts == {"added": 0, **index.add(pdf).counts}


def test_a_page_is_deleted_with_its_picture_and_all_its_passages(index, pdf):
    index.add(pdf, pages="both")
    whole = len(index)
    first = next(hit for hit in index.search("the lighthouse keeper", k=3) if hit.page == 2)
    passages = len(index.search("the lighthouse keeper", k=50, modalities={"text"}, filter={"page": 2}))
    assert passages == 1
    removed = index.delete(ids=[first.id])
    assert removed > 2
    assert len(index) == whole - removed
    assert {hit.page for hit in index.search("the lighthouse keeper", k=50)} == {1, 3}
    assert index.delete(sources=[pdf]) == whole - removed
    assert len(index) == 0


def test_a_page_without_text_stays_a_picture(index, tmp_path):
    path = tmp_path / "half.pdf"
    path.write_bytes(write_pages([["words of a page"], []]))
    index.add(path, pages="text")
    assert kinds(index) == [(1, "text"), (2, "image")]


def test_adding_a_picture_of_a_page_keeps_the_text_of_others(index, pdf):
    index.add(pdf, pages="both")
    before = len(index)
    index.add([sw.Image(pdf, page=1)])
    assert len(index) == before


def test_a_reranker_that_reads_gets_the_text_and_another_that_sees_the_picture(index, pdf):
    index.add(pdf, pages="both")
    seen = {}

    class Looks:
        name = "looks"

        def scores(self, query, hits):
            seen.update({hit.page: hit for hit in hits})
            return [hit.page for hit in hits]

    hits = index.search("part 4711", k=3, rerank=Looks())
    assert [hit.page for hit in hits] == [3, 2, 1]
    assert seen[1].picture is not None


def test_an_unknown_choice_is_refused(index, pdf):
    with pytest.raises(ValueError, match="pages must be 'separate', 'both', 'text' or 'picture', not 'all'"):
        index.add(pdf, pages="all")
