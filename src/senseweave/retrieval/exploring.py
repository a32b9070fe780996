"""What explores an index; `senseweave.explore` does the work, and is loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senseweave.media import Modality
from senseweave.retrieval.hits import Hits
from senseweave.retrieval.listing import Listed
from senseweave.retrieval.search.examples import Example
from senseweave.retrieval.stores.filters import Filter

if TYPE_CHECKING:
    from senseweave.explore.clusters import Clusters, Outlier
    from senseweave.explore.duplicates.report import Duplicates
    from senseweave.explore.explored_index import ExploredIndex
    from senseweave.explore.map.mapping import IndexMap


class Explored(Listed):
    """The part of an index that shows what is near, twice, together or alone in it."""

    def neighbours(self: ExploredIndex, hit_or_source: Example | str | Path, k: int = 10, **options: Any) -> Hits:
        """Return what is nearest to a record or to a whole source, without itself.

            index.neighbours(hits[0], k=5)
            index.neighbours("photos/dog.jpg", modalities={"text"})

        Nothing is read or embedded: the stored vectors are asked with, those of a source by their mean.

        Args:
            hit_or_source: A hit or a record of this index; or a path, URL or label of a source.
            k: How many hits.
            **options: As of `search`, except `offset`.

        Raises:
            TypeError: If it is something else.
            ValueError: If the index does not hold it.
        """
        from senseweave.explore.neighbors import find_neighbors

        return find_neighbors(self, hit_or_source, k, options)

    def recommend(self: ExploredIndex, liked: Any, disliked: Any = (), k: int = 10, **options: Any) -> Hits:
        """Return what is near what somebody likes and far from what they dislike, without these themselves.

            index.recommend(liked=[hits[0], hits[3]], disliked=[hits[1], "snow"])

        Args:
            liked: Hits, records, strings (always text), media, and `pathlib.Path` of sources in the index, at least
                one of them.
            disliked: The same; each weighs half as much.
            k: How many hits.
            **options: As of `search`, except `offset`.

        Raises:
            ValueError: If nothing is liked, or a hit or source is not in the index.
        """
        from senseweave.explore.neighbors import find_recommended

        return find_recommended(self, liked, disliked, k, options)

    def duplicates(
        self: ExploredIndex,
        *,
        threshold: float | Mapping[Modality, float] | None = None,
        modalities: Collection[Modality] | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
        delete: bool = False,
    ) -> Duplicates:
        """Return groups of copies: the same bytes, encoded again, resized, cropped or cut, and nearly equal texts.

            found = index.duplicates()
            for group in found:
                print(group.modality, group.best.source, [copy.source for copy in group.others])
            found.delete()

        Candidates are what is near each other in a space of the index, best in one that compares like with like
        (`starter:image-features`, `starter:sound-features`); their files are then read and compared: pictures by their
        local contrast at all places and sizes, recordings by an acoustic fingerprint, texts by the runs of characters
        that they share. What cannot be read any more is compared by its hash.

        Args:
            threshold: Least score of a copy, from 0 to 1, for all modalities or by modality; None takes measured ones.
            modalities: Only these modalities; None for all.
            filter: A condition on metadata; None for all records.
            delete: Whether all copies but the best of each group are removed from the index at once; see
                `Duplicates.delete`.

        Returns:
            The groups, the surest first; `group.best` is the copy to keep.

        Raises:
            ValueError: If a threshold is not between 0 and 1.
            ImportError: If scipy is not installed; the message has the line that installs it.
        """
        from senseweave.explore.duplicates.finding import find_duplicates

        found = find_duplicates(self, threshold=threshold, modalities=modalities, filter=filter)
        if delete:
            found.delete()
        return found

    def clusters(
        self: ExploredIndex,
        *,
        min_size: int = 5,
        space: str | None = None,
        modalities: Collection[Modality] | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
    ) -> Clusters:
        """Return groups of contents that mean something similar, each named by the words that set it apart.

            for cluster in index.clusters():
                print(cluster.name, len(cluster), cluster.modalities)

        What all vectors of a modality have in common is taken away first, so that groups go by meaning. Groups are
        found by HDBSCAN, and named from texts, captions and transcripts by class-based tf-idf.

        Args:
            min_size: Smallest number of contents of a group.
            space: Name of the space whose vectors are grouped; None for the one with most records.
            modalities: Only these modalities; None for all.
            filter: A condition on metadata; None for all records.

        Returns:
            The groups, the largest first; `clusters.rest` belongs to none.

        Raises:
            ImportError: If scikit-learn or umap-learn is not installed; the message has the line that installs it.
        """
        from senseweave.explore.clusters import find_clusters

        return find_clusters(self, min_size=min_size, space=space, modalities=modalities, filter=filter)

    def outliers(
        self: ExploredIndex,
        k: int = 10,
        *,
        space: str | None = None,
        modalities: Collection[Modality] | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
    ) -> list[Outlier]:
        """Return the contents that are farthest from their ten nearest contents, the farthest first.

        Args:
            k: How many.
            space: Name of the space whose vectors are compared; None for the one with most records.
            modalities: Only these modalities; None for all.
            filter: A condition on metadata; None for all records.
        """
        from senseweave.explore.clusters import find_outliers

        return find_outliers(self, k, space=space, modalities=modalities, filter=filter)

    def map(
        self: ExploredIndex,
        path: str | Path,
        *,
        color: str = "modality",
        title: str | None = None,
        space: str | None = None,
        modalities: Collection[Modality] | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
        previews: int = 12 * 1024**2,
    ) -> IndexMap:
        """Write a map of the index: one page that needs nothing from elsewhere (`.html`), or a picture (`.png`).

            index.map("map.html")
            index.map("map.png", color="cluster")

        Every content is a point near what means something similar, whatever its modality. The page shows pictures,
        players and texts of points, colors them by modality, cluster or metadata, and finds words.

        Args:
            path: Of the page or picture; what is there is replaced.
            color: What points are colored by at first: `modality`, `cluster`, or a name of metadata.
            title: Of the page.
            space: Name of the space whose vectors are placed; None for the one with most records.
            modalities: Only these modalities; None for all.
            filter: A condition on metadata; None for all records.
            previews: Most bytes of pictures and sounds in the page; 0 for none.

        Returns:
            What was drawn, with figures of how well modalities mix.

        Raises:
            ValueError: If the index holds nothing of the kind, or cannot be colored like this.
            ImportError: If scikit-learn or umap-learn is not installed; the message has the line that installs it.
        """
        from senseweave.explore.map.mapping import write_map

        return write_map(
            self,
            path,
            color=color,
            title=title,
            space=space,
            modalities=modalities,
            filter=filter,
            previews=previews,
        )
