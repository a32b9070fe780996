"""Whether the files of a model are still those that it was loaded from, of which its fingerprint speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from senseweave.display import printable
from senseweave.encoders.runtime.checkpoint import by_stat, settings_alone
from senseweave.errors import ModelError


class ModelFiles:
    """The files that decide what a model computes, as they were when it was first loaded or identified.

    A model that is trained again into the same folder would otherwise get the fingerprint of weights that it does not
    compute with, or, freed and loaded again, weights that are not those of its fingerprint.
    """

    def __init__(self, name: str, identity: Callable[[], object]) -> None:
        """Look at nothing yet.

        Args:
            name: What errors call the model.
            identity: Returns what decides the vectors, with the checksum of every file by `hash_file`.
        """
        self._name = name
        self._identity = identity
        self._first: object = None
        self._settings: object = None
        self._hashed: object = None
        self._checked: set[str] = set()

    def have_changed(self) -> bool:
        """Return whether a file differs from what it was at first; before that they are looked at for the first time.

        Size and time of change are looked at, and the content where it is known and these differ.
        """
        try:
            with by_stat():
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
        """Return whether the model would be another if it were loaded now: its files have changed, or its settings.

        Prompts, similarity and dimensions that were saved beside a model are read when it is loaded, and kept.
        """
        return self.have_changed() or (self._first is not None and self._read_settings() != self._settings)

    def check(self) -> None:
        """Check that no file has changed.

        Raises:
            ModelError: If one has.
        """
        if self.have_changed():
            msg = (
                f"{printable(self._name)}: the files of this model have been written, moved or deleted since it was "
                "loaded; load it again, so that its vectors and its fingerprint are those of the new files"
            )
            raise ModelError(msg)

    def check_once(self, parts: Iterable[str]) -> None:
        """Do what `check` does before each part is loaded, once until `forget`.

        Args:
            parts: Names of what is loaded together, such as modalities; others may be loaded much later.
        """
        if not self._checked.issuperset(parts):
            self.check()
            self._checked.update(parts)

    def forget(self) -> None:
        """Take it that the model is freed: what loads it again is to check its files again."""
        self._checked.clear()

    def identity(self) -> object:
        """Return what decides the vectors, with the checksums of the files as they were at first.

        Raises:
            ModelError: If a file has changed since.
        """
        if self._hashed is None:
            self.check()
            hashed = self._identity()
            self.check()
            self._hashed = hashed
        return self._hashed

    def _read_settings(self) -> object:
        """Return what identities hold of saved settings; None if they cannot be read, which is an error elsewhere."""
        try:
            with settings_alone():
                return self._identity()
        except Exception:  # as above
            return None
