"""What explores an index; `senseweave.explore` does the work, and is loaded when it is first needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from senseweave.retrieval.hits import Hits
from senseweave.retrieval.listing import Listed
from senseweave.retrieval.search.examples import Example

if TYPE_CHECKING:
    from senseweave.explore.explored_index import ExploredIndex


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
