"""Pages, whatever orders them: every quota is met, and no hit stands on two pages or on none."""

import zlib

import numpy as np
import pytest

import senseweave as sw
from senseweave.retrieval import Index
from senseweave.retrieval.calibration.statistics import Statistics
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.ranking import rank
from senseweave.retrieval.search.plan import Plan
from senseweave.retrieval.search.source import Candidate, RankingSource


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


class Listed(RankingSource):
    """A list of records of which everything is given."""

    def __init__(self, name, modality, rows):
        self.name, self.space, self.modality = name, "space", modality
        self.rows = sorted(rows, key=lambda row: -row.similarity)

    def query(self, vector, k, *, with_vectors):
        return self.rows[:k]

    def statistics(self, query_modality):
        return Statistics(mean=0.3, std=0.1)


class ByHash:
    """A reranker whose scores have nothing to do with the order before, and do not depend on what else it reads."""

    name = "by hash"

    def scores(self, query, hits):
        return [zlib.crc32(hit.text.encode()) % 1000 for hit in hits]


@pytest.fixture
def lists():
    """Two stores with texts, of which some are equal, and one with pictures that rank low."""
    draw = np.random.default_rng(3)

    def row(name, low, high, text, **metadata):
        return Candidate(name, metadata, text, draw.uniform(low, high), draw.normal(size=4).astype(np.float32))

    texts = [row(f"t{n}", 0.2, 0.9, f"text {n}", source=f"/{n // 3}.txt", sha256=f"t{n // 3}") for n in range(60)]
    others = [row(f"u{n}", 0.2, 0.9, f"text {3 * n}", source=f"/u{n}.txt", sha256=f"u{n}") for n in range(30)]
    pictures = [
        row(f"p{n}", 0.1, 0.4, f"picture {n}", source=f"/{n}.png", sha256=f"p{n}", modality="image") for n in range(30)
    ]
    return [Listed("t", "text", texts), Listed("u", "text", others), Listed("p", "image", pictures)]


@pytest.mark.parametrize("method", ["dbsf", "rrf", "none", "zscore"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"group": True},
        {"diversity": 0.5},
        {"quota": {"image": 2}, "group": True},
        {"reranker": ByHash()},
        {"reranker": ByHash(), "rerank_depth": 7, "group": True},
        {"reranker": ByHash(), "quota": {"image": 2}, "diversity": 0.5},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_no_content_is_on_two_pages_or_on_none_whatever_orders_it(lists, method, options):
    embedded = {"space": [EmbeddedPart(np.array([1.0, 0.0], np.float32), "text", 1.0)]}

    def page(k, offset=0):
        plan = Plan(k=k, offset=offset, method=method, **options)
        hits = [ranking.hit for ranking in rank(sw.Query(["a question"]), lists, embedded, plan)]
        # Which of equal texts leads can change with the page.
        return [(hit.modality, hit.source if options.get("group") else hit.text) for hit in hits]

    pages = [page(10, offset) for offset in range(0, 120, 10)]
    shown = [content for found in pages for content in found]
    assert len(shown) == len(set(shown))
    assert all(len(found) == 10 for found in pages[: len(shown) // 10])
    if not options.get("group"):
        assert set(shown) == set(page(200))
        assert len(shown) == 100
    assert page(10, 15) == shown[15:25]


def test_methods_that_statistics_decide_read_no_deeper_than_the_page(lists):
    embedded = {"space": [EmbeddedPart(np.array([1.0, 0.0], np.float32), "text", 1.0)]}
    requested = []
    for source in lists:
        source.query = lambda vector, k, *, with_vectors, rows=source.rows: requested.append(k) or rows[:k]
    rank(None, lists, embedded, Plan(k=10, offset=20, method="zscore"))
    assert requested == [30, 30, 30]
