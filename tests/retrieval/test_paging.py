"""Pages with quotas and diversity: every quota is met, and no hit stands on two pages or on none."""

import pytest

import senseweave as sw
from senseweave.retrieval import Index


@pytest.fixture
def shop(tmp_path, space, write_picture):
    """Many texts that answer better than any picture."""
    with Index(tmp_path / "shop", spaces=[space]) as index:
        index.add([sw.Text(f"tomatoes need water {n}") for n in range(40)])
        index.add([write_picture(tmp_path / f"{n}.png", "red", n * 40) for n in range(4)])
        yield index


@pytest.mark.parametrize("options", [{}, {"group": True}, {"diversity": 0.3}])
def test_a_quota_is_met_however_many_of_another_modality_rank_higher(shop, options):
    for k in (2, 3, 6):
        plain = shop.search("tomatoes need water", k=k, fusion="none")
        assert {hit.modality for hit in plain} == {"text"}
        hits = shop.search("tomatoes need water", k=k, fusion="none", quota={"image": 2}, **options)
        assert [hit.modality for hit in hits].count("image") == 2
        assert len(hits) == k


def test_a_reranker_with_a_quota_reads_what_the_quota_asks_for(shop):
    class Backwards:
        name = "backwards"

        def scores(self, query, hits):
            self.read = [hit.modality for hit in hits]
            return list(range(len(hits)))

    reranker = Backwards()
    options = {"fusion": "none", "quota": {"image": 2}, "rerank": reranker, "rerank_depth": 8}
    hits = shop.search("tomatoes need water", k=3, **options)
    assert (len(reranker.read), reranker.read.count("image")) == (8, 2)
    assert [hit.modality for hit in hits].count("image") == 2


@pytest.mark.parametrize(
    "options",
    [
        {"quota": {"image": 1}, "fusion": "none"},
        {"quota": {"image": 1}, "fusion": "none", "group": True},
        {"diversity": 0.9},
        {"diversity": 0.5},
        {"diversity": 0.5, "group": True},
        {"diversity": 0.5, "quota": {"image": 1}},
        {"group": True, "filter": {"modality": {"ne": "audio"}}},
    ],
    ids=str,
)
def test_pages_hold_every_hit_once(shop, options):
    for k in (3, 4, 10):
        starts = range(0, 44, k)
        pages = [[hit.id for hit in shop.search("tomatoes", k=k, offset=start, **options)] for start in starts]
        everything = [hit for page in pages for hit in page]
        assert len(everything) == len(set(everything)) == 44


def test_every_page_meets_the_quota_while_there_are_so_many(shop):
    pages = [
        [hit.modality for hit in shop.search("tomatoes", k=3, offset=start, fusion="none", quota={"image": 1})]
        for start in range(0, 15, 3)
    ]
    assert [page.count("image") for page in pages] == [1, 1, 1, 1, 0]
