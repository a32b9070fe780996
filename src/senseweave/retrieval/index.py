"""The index: add media to a vector store, search them, delete them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from senseweave.concurrency import WRITING, Queue, in_thread, run_in
from senseweave.display import printable
from senseweave.errors import StoreError
from senseweave.media import Media, MediaPolicy, Modality
from senseweave.media.collecting import OnInputError
from senseweave.media.forms.source import Pages
from senseweave.media.kinds.picture_text import Ocr, PictureReading
from senseweave.progress import ProgressOption
from senseweave.redaction import quoted
from senseweave.retrieval.calibration.cells import Calibration
from senseweave.retrieval.calibration.labels import Answers, check_queries, match_labels
from senseweave.retrieval.exploring import Explored
from senseweave.retrieval.fusion import EmbeddedPart
from senseweave.retrieval.hits import Hits
from senseweave.retrieval.index_spaces import AnySpace, IndexSpaces, load_all
from senseweave.retrieval.judging import Judged
from senseweave.retrieval.maintenance import Maintained
from senseweave.retrieval.query import as_query
from senseweave.retrieval.records.deletion import Deletion
from senseweave.retrieval.records.values import Metadata
from senseweave.retrieval.report import Report
from senseweave.retrieval.search.embedding import aembed_query, embed_query
from senseweave.retrieval.search.examples import QueryInput, read_query
from senseweave.retrieval.search.plan import Planner, chosen_modalities, held_modalities
from senseweave.retrieval.search.request import SearchRequest
from senseweave.retrieval.search.reranker import Reranker
from senseweave.retrieval.search.sparse.keeping import KeptSparse
from senseweave.retrieval.search.together import SearchQueue
from senseweave.retrieval.search.words.store_words import open_words
from senseweave.retrieval.stores.base import TokenVectors, VectorStore
from senseweave.retrieval.stores.chroma import ChromaStore
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import check_prefix
from senseweave.retrieval.stores.filters import Filter, parse_filter
from senseweave.retrieval.stores.local_client import holds_store
from senseweave.spaces.recorded import Trust, parse_trust
from senseweave.spaces.space import Space

DEFAULT_SPACES = ("starter",)


class Index(Maintained, Judged, Explored):
    """Media of all modalities in a vector store, searched as one corpus.

        index = Index("my-index")                        # a folder; the embedded starter space
        index.add(["notes/", "photo.jpg", "talk.mp3"])
        hits = index.search("a dog on the grass", k=5)

    An index remembers its spaces: opening it again needs no `spaces`. It is safe to use from several threads; other
    processes may read it while one writes, and a second writer waits for the first. An index in a folder works
    in forked children, and is pickled by its place and its spaces.
    """

    def __init__(
        self,
        place: Any,
        spaces: Sequence[str | AnySpace] | str | AnySpace | None = None,
        *,
        create: bool = True,
        policy: MediaPolicy | None = None,
        prefix: str = "",
        lock_timeout: float = 600.0,
        trust: Trust = None,
        ocr: Ocr = "auto",
        check: bool = True,
    ) -> None:
        """Open an index, or create a new index.

        Args:
            place: A folder, an open Chroma client (`PersistentClient`, `HttpClient`, `EphemeralClient`), or a
                `VectorStore`. A client or store that you pass stays open when the index is closed.
            spaces: Names that `senseweave.load` takes, presets (`senseweave info --presets`), or loaded spaces. A
                sparse space (see `senseweave.load_sparse`) or its name ranks texts beside the others. None takes the
                spaces that the index was created with, or `starter` for a new index. An index in a folder that
                holds no record takes them in place of its own; to any other they are added, and a `SpaceWarning` counts
                the records that a space lacks until their files are added again.
            create: Whether to create the index if there is none.
            policy: What may be read when inputs are paths or URLs, and when the media of a hit are read again.
            prefix: Prefix of collection names, of at most 200 bytes, so that several indexes can share a store.
            lock_timeout: Seconds to wait while another process writes to the folder.
            trust: What the recorded spaces of the index may ask for beyond what is harmless, see `senseweave.trust`.
            ocr: In which pictures `add` reads writing, where it is not told otherwise: `auto` in those that look as if
                they held any, `on` in all, `off` in none, nor on scanned pages. Needs `senseweave[ocr]`.
            check: Whether the files of a folder are checked first; False is for `verify` and `repair` of a damaged one.

        Raises:
            StoreError: If there is none and `create` is False, files are damaged, or another process writes too long;
                or if a new index has no other spaces than sparse spaces.
            TrustError: If `spaces` is None and the recorded spaces ask for more than is allowed.
            FingerprintError: If the index was created with a space of the same name that gives other vectors.
            ValueError: If the prefix is longer.
        """
        check_prefix(prefix)
        self._planner = Planner()
        self.policy = policy or MediaPolicy()
        self._ocr = PictureReading(ocr).ocr
        self._options = {"policy": policy, "prefix": prefix, "lock_timeout": lock_timeout, "trust": trust, "ocr": ocr}
        self._trust = parse_trust(trust)
        self._owns_store = not isinstance(place, VectorStore)
        if spaces is None and self._owns_store and not holds_store(place, create=create):
            spaces = DEFAULT_SPACES
        # Loaded before the store is created, so that a space that fails to load leaves nothing behind.
        loaded = load_all(spaces)
        options: dict[str, Any] = {"create": create, "lock_timeout": lock_timeout, "check": check}
        store = place if isinstance(place, VectorStore) else ChromaStore(place, **options)
        self._store = Collections(store, prefix=prefix)
        self._words = open_words(self._store)
        if isinstance(store, TokenVectors) and store.keeps_tokens:
            from senseweave.retrieval.search.stored_tokens import StoredTokens

            self._planner.attach = StoredTokens(self._store, store).attach
        self._spaces = IndexSpaces(self._store, self._trust)
        self._sparse = KeptSparse(self._store, self._spaces)
        self._adding = Queue(WRITING)
        try:
            if not create and not self._store.descriptions:
                msg = (
                    f"{store.place}: the store holds no senseweave index; create one with senseweave.Index(...), or on "
                    "the command line with: senseweave index FILES --into ADDRESS"
                )
                raise StoreError(msg)
            if spaces is None and not self._store.descriptions:
                loaded = load_all(DEFAULT_SPACES)
            elif spaces is None:
                self._spaces.check()
            self._spaces.add_all(loaded)
            self._sparse.begin()
        except BaseException:
            self.close()
            raise
        self._calibration = Calibration(self._store, lambda: self.spaces)
        self._searches = SearchQueue(self._store, self._calibration, self._words, self._sparse)

    @classmethod
    def open(cls, place: Any, **options: Any) -> Index:
        """Open an existing index with the spaces that it was created with.

        Raises:
            StoreError: If there is no index; the message is one line.
        """
        return cls(place, create=False, **options)

    @property
    def spaces(self) -> dict[str, Space]:
        """The index's spaces by name, loaded when they are first needed."""
        return self._spaces.load()

    def add(
        self,
        inputs: Any,
        *,
        metadata: Metadata = None,
        on_error: OnInputError = "named",
        progress: ProgressOption = None,
        sync: bool = False,
        overlap: float = 0.0,
        characters: int | None = None,
        character_overlap: int = 0,
        encoding: str | None = None,
        ocr: Ocr | None = None,
        pages: Pages = "separate",
    ) -> Report:
        """Add files, folders, URLs or media; unchanged content is skipped, changed files replace their records.

        Args:
            inputs: One or several paths of files and folders, URLs (where the policy allows them), bytes or media.
                Strings here are places: give text as `senseweave.Text`.
            metadata: Flat values kept with every record, or a function that returns them for a media.
            on_error: What cannot be indexed is in `report.failed`. `named` raises, when all the rest is added, if an
                input that you named is among it, and goes on over files met in folders; `skip` never raises; `raise`
                stops at the first failure.
            progress: True shows what is embedded, as a bar or, without a terminal, as a line every ten seconds; a
                `senseweave.Progress` is kept up to date; a function is called with (media done, media in all), in which
                a document counts once until its pages are known.
            sync: Also remove records of files that have gone from the folders among the inputs.
            overlap: Seconds that neighbouring windows of audio and video share.
            characters: Most characters per passage of text; None takes what the text encoder reads, at most 1000.
            character_overlap: Characters that neighbouring passages share, at most.
            encoding: Of the text and HTML files, for example `cp1250`; None detects it file by file. A byte order mark
                is believed all the same.
            ocr: In which pictures writing is read, see `Index`; None for the index's own. What was read before with the
                same choice is not read again; with `off`, the words that the index holds of these pictures go.
            pages: What is kept of pages of a PDF that have text: text and picture as hits of their own (`separate`),
                both as one hit (`both`), or only their `text` or `picture`.

        Returns:
            Counts of records and the list of failures.

        Raises:
            AddError: If an input that you named cannot be indexed, unless `on_error` is `skip`; the rest is added, and
                `error.report` is the report.
            MediaError: With `on_error="raise"`, for the first input that cannot be indexed.
            StoreError: If another process writes for longer than the index's lock timeout.
            ValueError: If metadata use a reserved name or are not flat, `encoding`, `ocr` or `pages` is unknown,
                or a length is impossible.
        """
        from senseweave.retrieval.records.ingest import Ingest  # not needed to search

        spaces = self.spaces
        with self._store.writing():
            ingest = Ingest(
                self._store,
                spaces,
                policy=self.policy,
                metadata=metadata,
                on_error=on_error,
                progress=progress,
                overlap=overlap,
                characters=characters,
                character_overlap=character_overlap,
                encoding=encoding,
                ocr=self._ocr if ocr is None else ocr,
                pages=pages,
            )
            try:
                report = ingest.run(inputs, sync=sync)
            finally:
                self._calibration.renew()
        for source, notes in self._sparse.take_notes().items():
            report.partial[source] = (*report.partial.get(source, ()), *notes)
        return report

    def search(
        self,
        query: QueryInput,
        k: int = 10,
        *,
        modalities: Collection[Modality] | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
        fusion: str | None = None,
        min_score: float | None = None,
        offset: int = 0,
        group: bool = False,
        diversity: float | None = None,
        rerank: str | Reranker | None = None,
        rerank_depth: int = 50,
        weights: Mapping[str, float] | None = None,
        quota: Mapping[str, int] | None = None,
        words: bool = False,
    ) -> Hits:
        """Find the records that answer a query best, of all modalities and spaces together.

        Args:
            query: A string (always text), media, a `Query` of several weighted parts, a hit or a record of this index
                (more like it: its stored vectors are asked with), or a vector of one of the spaces.
            k: How many hits.
            modalities: Only these modalities of records; None for all.
            filter: A condition on metadata, see `senseweave.retrieval.stores.filters.compile_filter`.
            fusion: How scores are made comparable, a name in `senseweave.retrieval.METHODS`; None takes the default.
            min_score: Leave out hits whose calibrated score is lower.
            offset: How many of the best hits to leave out, for the next page.
            group: Join the windows, pages and passages of one source into one hit, with its best spans in `hit.spans`.
            diversity: How much hits should differ from each other, from 0 to 1 (maximal marginal relevance).
            rerank: A model's name (cross-encoder, ColBERT, ColPali, SPLADE, vision-language model) or a reranker, which
                reorders the best `rerank_depth` hits; see `senseweave.load_reranker` and `senseweave.Reranker`.
            rerank_depth: How many hits the reranker reads; more for a page that ends further down, so that pages never
                overlap.
            weights: By modality, for the method `weighted_rrf`.
            quota: By modality, the minimum number of hits on each page, as long as there are enough.
            words: Whether to search by words too: in texts, transcripts, captions, words that OCR read, and the names
                of files. Names, part numbers and error codes are found as they are written, `"..."` is a quotation and
                `abc*` the beginning of a word. The first such search of an index makes its index of words.

        Returns:
            Hits, best first.

        Raises:
            UnsupportedModalityError: If no space embeds the query, or the index does not hold a requested modality.
            TypeError: If an argument is of the wrong type; the message says which.
            ValueError: If an argument has an impossible value.
        """
        request = self._request(
            query,
            k,
            modalities=modalities,
            filter=filter,
            fusion=fusion,
            min_score=min_score,
            offset=offset,
            group=group,
            diversity=diversity,
            rerank=rerank,
            rerank_depth=rerank_depth,
            weights=weights,
            quota=quota,
            words=words,
        )
        embedded = embed_query(request.query, request.spaces) if request.query else request.embedded
        return self._searches.answer(request, embedded)

    async def aadd(self, inputs: Any, **options: Any) -> Report:
        """Like `add`, off the event loop; calls wait for each other without occupying a thread each.

        If the task is cancelled, adding ends after the batch that is being written. What was written stays, and adding
        the same inputs again completes it.
        """
        return await run_in(self._adding, self.add, inputs, **options)

    async def asearch(self, query: QueryInput, k: int = 10, **options: Any) -> Hits:
        """Like `search`, off the event loop; searches that wait together are embedded and answered together."""
        request = await in_thread(self._request, query, k, **options)
        embedded = await aembed_query(request.query, request.spaces) if request.query else request.embedded
        return await asyncio.wrap_future(self._searches.submit(request, embedded))

    def delete(
        self,
        *,
        ids: Collection[str] | str | None = None,
        sources: Collection[str | Path] | str | Path | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
    ) -> int:
        """Remove records by id, by source or by a condition on metadata, and return their number.

        Content with several sources has a record for each of them. Deleting by source or condition removes the records
        that match, and the content stays under its other sources; deleting by id removes all records of the content.

        Raises:
            TypeError: If `ids` are not strings, or `sources` neither strings nor paths.
            ValueError: If not exactly one of the three is given.
        """
        chosen = Deletion(ids=ids, sources=sources, filter=filter)
        with self._store.writing():
            removed = chosen.run(self._store)
            self._calibration.renew(if_loadable=True)  # what was deleted is not an error because of a missing model
        return removed

    def calibrate(
        self,
        queries: Sequence[str | Media] = (),
        *,
        labels: Sequence[tuple[str | Media, Answers]] = (),
    ) -> None:
        """Learn from queries: sample queries for the method `pseudo_positive`, labeled queries for `platt`.

        The default method needs neither. The index keeps the vectors of the queries, but not their words.

        Args:
            queries: Queries as users write them, without answers; start with 20.
            labels: Pairs of a query and its answers: a source (or the end of its path, such as `photos/dog.jpg`), a
                record id, or several of these; start with 30.

        Raises:
            TypeError: If queries or labels are not lists of these.
            ValueError: If none of the labeled answers is in the index.
        """
        check_queries(queries, labels)
        with self._store.writing():
            self._calibration.renew()
            self._calibration.learn(self._embedded(query) for query in queries)
            if labels:
                self._calibration.learn_labels(match_labels(self._store, self._embedded, labels))

    def close(self) -> None:
        """Close the store, unless you passed it; the spaces stay loaded for others that use them."""
        self._planner.rerankers.clear()
        self._words.close()
        self._sparse.close()
        self._store.close(store=self._owns_store)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        store = self._store.store
        if not self._owns_store or store.folder is None:
            msg = f"cannot pickle an index in {printable(store.place)}: open both in the other process"
            raise TypeError(msg)
        options: dict[str, Any] = {
            "spaces": [*self.spaces.values(), *self._spaces.load_sparse()],
            "create": False,
            **self._options,
        }
        return partial(type(self), **options), (str(store.folder),)

    def __repr__(self) -> str:
        spaces = sorted({space for space, _ in self._store.descriptions})
        return f"Index({quoted(self._store.store.place)}, spaces={spaces})"

    def _request(
        self,
        query: QueryInput,
        k: int,
        *,
        modalities: Collection[Modality] | None = None,
        filter: Filter | None = None,  # noqa: A002  (what every store calls it)
        **options: Any,
    ) -> SearchRequest:
        """Check the arguments of `search`, and load the spaces if they are not."""
        descriptions = self._store.descriptions
        plan, spaces = self._planner.plan(k, options), self._spaces.load(descriptions)
        parsed, known = read_query(query, self._store, spaces)
        condition, chosen = parse_filter(filter), chosen_modalities(modalities, held_modalities(descriptions))
        group = repr(condition), frozenset(chosen)  # a condition on 1 equals one on True, but for its repr
        return SearchRequest(parsed, plan, condition, chosen, group, spaces, self.policy, known)

    def _embedded(self, query: str | Media) -> dict[str, EmbeddedPart]:
        return {name: parts[0] for name, parts in embed_query(as_query(query), self.spaces).items()}
