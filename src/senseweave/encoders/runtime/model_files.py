"""Whether the files of a model are still those that it was loaded from, of which its fingerprint speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from senseweave.display import printable
from senseweave.encoders.runtime.checkpoint import seeing
from senseweave.errors import ModelError

Identity = Callable[[], Mapping[str, object]]


class ModelFiles:
    """The files that decide what a model computes, as they were when each part was first loaded or identified.

    A model that is trained again into the same folder would otherwise get the fingerprint of weights that it does not
    compute with, or, freed and loaded again, weights that are not those of its fingerprint.
    """

    def __init__(self, name: str, identities: Mapping[str, Identity]) -> None:
        """Look at nothing yet.

        Args:
            name: What errors call the model.
            identities: By part, which is loaded as a whole, such as a modality: returns what decides its vectors, with
                the checksum of every file by `hash_file`.
        """
        self._name = name
        self._parts = {part: _Part(identity) for part, identity in identities.items()}
        self._checked: set[str] = set()

    def is_outdated(self) -> bool:
        """Return whether the model would be another if it were loaded now: its files have changed, or its settings.

        Prompts, similarity and dimensions that were saved beside a model are read when it is loaded, and kept. Parts
        that nothing has used yet are not looked at.
        """
        return any(part.is_outdated() for part in self._parts.values())

    def check(self, parts: Iterable[str] | None = None) -> None:
        """Check that no file has changed.

        Args:
            parts: Those to check; None for all.

        Raises:
            ModelError: If one has.
        """
        for part in self._parts if parts is None else parts:
            if self._parts[part].has_changed():
                msg = (
                    f"{printable(self._name)}: the files of this model have been written, moved or deleted since it "
                    "was loaded; load it again, so that its vectors and its fingerprint are those of the new files"
                )
                raise ModelError(msg)

    def note(self, part: str) -> None:
        """Look at the files of a part that something is read of, unless they were looked at before."""
        self._parts[part].note()

    def check_once(self, parts: Iterable[str]) -> None:
        """Do what `check` does before parts are loaded, once for each until `forget`."""
        unchecked = [part for part in parts if part not in self._checked]
        if unchecked:
            self.check(unchecked)
            self._checked.update(unchecked)

    def forget(self) -> None:
        """Take it that the model is freed: what loads it again is to check its files again."""
        self._checked.clear()

    def identity(self) -> dict[str, dict[str, object]]:
        """Return what decides the vectors by part, with the checksums of the files as they were at first.

        Raises:
            ModelError: If a file has changed since.
        """
        self.check(part for part, state in self._parts.items() if not state.is_hashed)
        found = {part: state.hashed() for part, state in self._parts.items()}
        self.check()
        return found


class _Part:
    """What is known of the files of a part."""

    def __init__(self, identity: Identity) -> None:
        self._given = identity
        self._first: dict[str, object] | None = None
        self._settings: dict[str, object] | None = None
        self._hashed: dict[str, object] | None = None
        self._is_noted = False

    @property
    def is_hashed(self) -> bool:
        """Whether the content of the files is known."""
        return self._hashed is not None

    def hashed(self) -> dict[str, object]:
        """Return the identity, with the checksums of the files when this was first asked."""
        if self._hashed is None:
            self._hashed = self._identity()
        return self._hashed

    def note(self) -> None:
        """Look at the files for the first time, unless that was done."""
        if not self._is_noted:
            self._is_noted = True
            if self._first is None:
                self.has_changed()

    def has_changed(self) -> bool:
        """Return whether a file differs from what it was at first; before that they are looked at for the first time.

        Size and time of change are looked at, and the content where it is known and these differ.
        """
        try:
            with seeing("stat"):
                found = self._identity()
        except Exception:  # of a model that cannot be loaded, whose own error says why
            return self._first is not None
        if self._first is None:
            self._first, self._settings = found, self._read_settings()
        if found == self._first:
            return False
        if self._hashed is None or self._identity() != self._hashed:
            return True
        self._first = found  # written again as they were
        return False

    def is_outdated(self) -> bool:
        """Return whether files or settings have changed since they were first looked at."""
        return self._first is not None and (self.has_changed() or self._read_settings() != self._settings)

    def _identity(self) -> dict[str, object]:
        return dict(self._given())

    def _read_settings(self) -> dict[str, object] | None:
        """Return what identities hold of saved settings; None if they cannot be read, which is an error elsewhere."""
        try:
            with seeing("settings"):
                return self._identity()
        except Exception:  # as above
            return None
