"""Join the records of equal content that one source answers with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from senseweave.retrieval.records.identity import content_key, picture_provenance
from senseweave.retrieval.records.schema import Provenance, read_metadata
from senseweave.retrieval.search.source import Candidate, RankingSource

EQUAL_SIMILARITY: Final = 1e-4
"""Equal content has equal vectors; stores round their similarities by less than this."""


@dataclass(slots=True)
class Entry:
    """Records of equal content, as one list or the whole ranking holds them; the first leads.

    Attributes:
        source: The list that holds them.
        members: The records.
        provenances: Where each is from, with the modality of its source if its metadata name none.
        key: What equal content shares.
        places: Of the members of each file.
        lists: Names of all lists that hold the content.
        score: Of the content, once its lists are joined.
        own: How surely it is the query's own content, once its lists are joined.
    """

    source: RankingSource
    members: list[Candidate]
    provenances: list[Provenance]
    key: tuple[Any, ...]
    places: list[str]
    lists: frozenset[str]
    score: float = 0.0
    own: float = 0.0

    @property
    def lead(self) -> Candidate:
        """The record that stands for all."""
        return self.members[0]


def distinct(source: RankingSource, answer: Sequence[Candidate]) -> list[Entry]:
    """Put records of equal content at different files together; chunks of one file stay apart.

    The words that OCR read in a picture share its key, so that they are one result with it, led by the better.
    """
    entries: list[Entry] = []
    by_key: dict[tuple[Any, ...], list[Entry]] = {}
    lists = frozenset({source.name})
    for candidate in answer:
        provenance = read_metadata(candidate.metadata)
        picture = picture_provenance(provenance)
        key = content_key(picture or provenance, candidate.text)
        place = provenance.source or candidate.id
        alike = [] if key is None else by_key.setdefault(key, [])
        if picture is not None and any(place in entry.places for entry in alike):
            continue  # more words of a picture that is there already
        if key is None:
            key = _lone_key(candidate, provenance)
        if "modality" not in candidate.metadata:
            provenance = read_metadata({"modality": source.modality, **candidate.metadata})
        for entry in alike:
            # Words say the same of equal content, but for the names of its files.
            near = source.by_words or abs(entry.lead.similarity - candidate.similarity) < EQUAL_SIMILARITY
            if near and place not in entry.places:
                entry.members.append(candidate)
                entry.provenances.append(provenance)
                entry.places.append(place)
                break
        else:
            entry = Entry(source, [candidate], [provenance], key, [place], lists)
            entries.append(entry)
            alike.append(entry)
    for entry in entries:
        if len(entry.members) > 1:
            _sort_by_arrival(entry)
    return entries


def _sort_by_arrival(entry: Entry) -> None:
    """Put the members of an entry in the order in which they were added."""

    def arrival(at: int) -> tuple[float, str]:
        return entry.provenances[at].added_at or 0.0, entry.places[at]

    order = sorted(range(len(entry.members)), key=arrival)
    entry.members = [entry.members[at] for at in order]
    entry.provenances = [entry.provenances[at] for at in order]
    entry.places = [entry.places[at] for at in order]


def _lone_key(candidate: Candidate, provenance: Provenance) -> tuple[Any, ...]:
    """Return what a record without a hash shares with records of other lists alone: a text its words."""
    if provenance.modality == "text" and candidate.text:
        return "text", candidate.text, provenance.page, provenance.span
    return candidate.id, candidate.text, provenance.modality, provenance.source, provenance.page, provenance.span
