"""The spaces of an index: load them by name, record them with the collections, and load them again from the record.

A dense space has a collection for each modality. A sparse space has none: it is recorded with those of the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from senseweave.encoders.registry import find_family
from senseweave.errors import FingerprintError, ModelError, SpaceWarning, StoreError
from senseweave.forking import RLock
from senseweave.redaction import without_secret_options
from senseweave.retrieval.stores.collections import Collections
from senseweave.retrieval.stores.description import Description, Key, RecordedSparse, collection_name
from senseweave.spaces.loading import load, load_allowed, load_from_record
from senseweave.spaces.presets import find_preset, load_preset
from senseweave.spaces.recorded import Trust, check_recorded
from senseweave.spaces.space import Space
from senseweave.spaces.sparse_space import COMPARED, SparseSpace, is_sparse, load_sparse

AnySpace = Space | SparseSpace
HOW: Final = (
    "load the space and pass it, Index(..., spaces=[sw.load(...)]), or pass trust={KINDS} (command line: --trust)"
)


class IndexSpaces:
    """The spaces of an index by name: those that were passed, and those that its collections record."""

    def __init__(self, store: Collections, trust: Trust) -> None:
        """Begin with none; `trust` is what recorded spaces may ask for."""
        self.loaded: dict[str, Space] = {}
        self._sparse: dict[str, SparseSpace] = {}
        self._store = store
        self._trust = trust
        self._loading = RLock()

    def check(self) -> None:
        """Refuse recorded spaces that ask for more than is allowed; nothing is loaded.

        Raises:
            TrustError: If a space asks for more.
        """
        check_descriptions(self._store.descriptions.values(), self._store.store.place, self._trust)

    def add_all(self, spaces: Sequence[AnySpace]) -> None:
        """Use spaces, in place of those that are recorded if the index holds no record and nobody else may be adding.

        Warns, with `SpaceWarning`, of records that a space lacks and others have.

        Raises:
            FingerprintError: If there are records of a space of the same name that gives other vectors.
            StoreError: If the similarity of the vectors of a space is none that an index ranks by.
        """
        dense = {space.name: space.fingerprint for space in spaces if isinstance(space, Space)}
        if dense:
            _drop_others(self._store, dense)
        for space in spaces:
            self.add(space)
        for name in dense:
            self._warn_of_missing(name)

    def _warn_of_missing(self, name: str) -> None:
        """Warn if a space has no record of a modality of which other spaces have some."""
        descriptions = self._store.descriptions
        missing = 0
        for modality in self.loaded[name].modalities:
            others = [known for (space, kind), known in descriptions.items() if kind == modality and space != name]
            if others and self._store.is_empty(descriptions[name, modality]):
                missing += max(map(self._store.count, others))
        if missing:
            msg = (
                f"{self._store.store.place}: {missing} {'records' if missing > 1 else 'record'} of this index "
                f"{'are' if missing > 1 else 'is'} not in the space {name!r}, and cannot be found through it; add "
                "their files again: this embeds what the space lacks, and nothing else"
            )
            warnings.warn(msg, SpaceWarning, stacklevel=4)

    def add(self, space: AnySpace) -> None:
        """Use a space, and make its collections where there are none; a sparse space has none.

        Raises:
            FingerprintError: If there are collections of a space of the same name that gives other vectors.
            StoreError: If the similarity of its vectors is none that an index ranks by.
        """
        if isinstance(space, SparseSpace):
            if not self._store.descriptions:
                msg = (
                    f"{space.name} is a sparse space, which ranks texts beside a space of dense vectors, and this "
                    f"index has none: Index(..., spaces=['starter', {space.name!r}])"
                )
                raise StoreError(msg)
            self._store.add_sparse(record_sparse(space))
            self._sparse[space.name] = space
            return
        for description in describe(space, self._store.prefix):
            self._store.ensure(description)
        self.loaded[space.name] = space

    def load(self, descriptions: Mapping[Key, Description] | None = None) -> dict[str, Space]:
        """Return every space, loaded from the record if it is not yet.

        Args:
            descriptions: The collections, if they have just been read.

        Raises:
            StoreError: If a space was not created by `senseweave.load`.
            TrustError: If its record asks for more than is allowed.
            FingerprintError: If it gives other vectors now.
        """
        with self._loading:
            descriptions = self._store.descriptions if descriptions is None else descriptions
            for name in dict.fromkeys(space for space, _ in descriptions):
                if name not in self.loaded:
                    recorded = [description for (space, _), description in descriptions.items() if space == name]
                    self.add(load_recorded(recorded, self._store.store.place, self._trust))
            present = {space for space, _ in self._store.descriptions}
            # Where the index held no record, another process may have put other spaces in the place of its own.
            return {name: space for name, space in self.loaded.items() if name in present or not present}

    def load_sparse(self) -> list[SparseSpace]:
        """Return every sparse space, loaded from the record if it is not yet.

        Raises:
            TrustError: If its record asks for more than is allowed.
            FingerprintError: If it gives other vectors now.
        """
        with self._loading:
            for known in self._store.sparse:
                if known.space not in self._sparse:
                    place, options = self._store.store.place, known.options
                    space = load_allowed(load_sparse, place, known.space, options, self._trust, how=HOW)
                    if space.fingerprint != known.fingerprint:
                        raise FingerprintError(known.space, known.fingerprint, space.fingerprint)
                    self._sparse[known.space] = space
            return [self._sparse[known.space] for known in self._store.sparse]


def load_all(spaces: Sequence[str | AnySpace] | str | AnySpace | None) -> list[AnySpace]:
    """Return spaces, each loaded if it is a name, those of presets in their place, after checking their weights.

    Sparse spaces come last: they need the collections of the others.
    """
    loaded: list[AnySpace] = []
    for space in [spaces] if isinstance(spaces, (str, Space, SparseSpace)) else spaces or ():
        preset = find_preset(space) if isinstance(space, str) else None
        if preset is not None:
            loaded += load_preset(preset, _load_whole)
        elif isinstance(space, SparseSpace):
            loaded.append(space)
        else:
            loaded.append(load_any(space) if isinstance(space, str) else _load_whole(space))
    return sorted(loaded, key=lambda space: isinstance(space, SparseSpace))


def load_any(name: str, **options: Any) -> AnySpace:
    """Load a space or, of a sparse encoder, a sparse space.

    Args:
        name: As for `senseweave.load` and `senseweave.load_sparse`.
        options: Those of the two.

    Raises:
        ModelError: If there is no such model.
        TypeError: If the model has no such option, or a value has the wrong type.
        ValueError: If a value is impossible.
    """
    try:
        return _load_whole(load(name, **options))
    except ModelError:
        if not is_sparse(name, options.get("revision")):
            raise
    return load_sparse(name, **options)


def _load_whole(space: str | Space) -> Space:
    loaded = load(space) if isinstance(space, str) else space
    _ = loaded.fingerprint  # weights that are missing or broken show here
    return loaded


def record_sparse(space: SparseSpace) -> RecordedSparse:
    """Return what an index records of a sparse space.

    Raises:
        StoreError: If the similarity of its vectors is none that an index ranks by.
    """
    if space.similarity_fn not in COMPARED:
        msg = (
            f"the model of sparse space {space.name!r} compares vectors by {space.similarity_fn}, and an index "
            "ranks by their dot product or cosine; rerank with it"
        )
        raise StoreError(msg)
    kept = {name: value for name, value in space.options.items() if name != "device" and value is not None}
    return RecordedSparse(space.name, space.fingerprint, without_secret_options(kept))


def check_descriptions(
    descriptions: Iterable[Description], place: str, trust: Trust = None, *, known: Collection[str] = ()
) -> None:
    """Refuse collections whose spaces ask for more than is allowed; nothing is loaded.

    Args:
        descriptions: The recorded descriptions.
        place: Where they were read, for the error.
        trust: What the caller allows, see `senseweave.trust`.
        known: Names of spaces that the caller has named or passed.

    Raises:
        TrustError: If a space asks for more.
    """
    for description in descriptions:
        if description.space not in known and description.options is not None:
            check_recorded(place, description.space, description.options, trust, how=HOW)
        for sparse in description.sparse:
            if sparse.space not in known:
                check_recorded(place, sparse.space, sparse.options, trust, how=HOW)


def load_recorded(descriptions: Sequence[Description], place: str, trust: Trust = None) -> Space:
    """Load the space with which some collections were created.

    Raises:
        StoreError: If it was not created by `senseweave.load`.
        TrustError: If its record asks for more than is allowed.
        FingerprintError: If the space gives other vectors now.
    """
    name, options = descriptions[0].space, descriptions[0].options
    if options is None:
        msg = (
            f"cannot load space {name!r} of this index: it was not created by senseweave.load; "
            "pass it: Index(..., spaces=[space])"
        )
        raise StoreError(msg)
    space = load_from_record(place, name, options, trust, how=HOW)
    if descriptions[0].fingerprint != space.fingerprint:
        space = _load_earlier(descriptions[0], place, trust) or space
    for description in descriptions:
        _check_fingerprint(description, space)
    return space


def _load_earlier(description: Description, place: str, trust: Trust) -> Space | None:
    """Return a recorded space with the defaults of an earlier version, or None if none gives its fingerprint."""
    options = description.options or {}
    family, _ = find_family(description.space, revision=options.get("revision"))
    for defaults in family.earlier_defaults:
        space = load_from_record(place, description.space, {**defaults, **options}, trust, how=HOW)
        if space.fingerprint == description.fingerprint:
            return space
    return None


def recorded_spaces(place: str, trust: Trust = None) -> Callable[[Description], Space]:
    """Return a function that loads the space of a collection from its description, each space once.

    Args:
        place: Where the descriptions were read, for errors.
        trust: What the spaces may ask for beyond what is harmless, see `senseweave.trust`.
    """
    loaded: dict[str, Space] = {}

    def space(description: Description) -> Space:
        if description.space not in loaded:
            loaded[description.space] = load_recorded([description], place, trust)
        _check_fingerprint(description, loaded[description.space])
        return loaded[description.space]

    return space


def describe(space: Space, prefix: str) -> list[Description]:
    """Return the descriptions of the collections of a space, one for each modality that it embeds."""
    if space.similarity_fn != "cosine":
        msg = (
            f"the model of space {space.name!r} compares vectors by {space.similarity_fn}, for which their length "
            "matters, and an index compares by the cosine: load the space with normalize=True to index its directions"
        )
        raise StoreError(msg)
    options = load_options(space)
    return [
        Description(
            name=collection_name(prefix, space.name, modality),
            space=space.name,
            modality=modality,
            fingerprint=space.fingerprint,
            dimension=space.dimension,
            options=options,
        )
        for modality in space.modalities
    ]


def _check_fingerprint(description: Description, space: Space) -> None:
    if description.fingerprint != space.fingerprint:
        raise FingerprintError(description.name, description.fingerprint, space.fingerprint)


def load_options(space: Space) -> dict[str, Any] | None:
    """Return the load options that an index records, or None if the space was not created by `senseweave.load`.

    Secrets are not recorded: whoever opens the index passes a space that was loaded with them.
    """
    recipe = space._recipe
    if recipe is None or recipe[0] is not load:
        return None
    kept = {}
    for name, value in recipe[2].items():
        if name in ("cache_size", "policy", "device") or value is None:
            continue
        if isinstance(value, (str, int, float, bool, list, tuple, dict)):
            kept[name] = value
    return without_secret_options(kept)


def _drop_others(collections: Collections, kept: Mapping[str, str]) -> None:
    """Remove the collections of other spaces from an index that holds no record; from any other index none.

    Nor from a store to which several clients write side by side: one of them may be about to add.

    Args:
        collections: Of the index.
        kept: Fingerprints by the names of the spaces whose collections stay.
    """
    if not collections.is_exclusive or not _droppable(collections, kept):
        return
    with collections.store.writing():
        collections.refresh()  # of several that wait for the lock, the first removes them, or adds records
        for description in _droppable(collections, kept):
            with collections.observed(description):
                collections.store.drop(description.name)
        collections.refresh()


def _droppable(collections: Collections, kept: Mapping[str, str]) -> list[Description]:
    known = collections.descriptions.values()
    others = [description for description in known if kept.get(description.space) != description.fingerprint]
    return others if others and all(map(collections.is_empty, known)) else []
