"""What keeps an index: written to a file and read from it, verified, repaired; each imported when it is asked for."""

from __future__ import annotations

from pathlib import Path

from senseweave.media import MediaPolicy
from senseweave.retrieval.index_spaces import IndexSpaces, check_descriptions
from senseweave.retrieval.integrity.report import RepairReport, VerifyReport
from senseweave.retrieval.stores.collections import Collections
from senseweave.spaces.recorded import Kind, Trust, parse_trust


class Maintained:
    """The part of an index that exports, imports, verifies and repairs it."""

    policy: MediaPolicy
    _store: Collections
    _spaces: IndexSpaces
    _trust: frozenset[Kind]

    def export(self, path: str | Path) -> int:
        """Write every record to a file of JSON lines (compressed if its name ends in .gz), and return their number.

        Judged searches of these records go with them.

        The file appears when it is whole; until then, and after a failure, what was at its place stays there.

        Raises:
            StoreError: If the file cannot be written.
        """
        from senseweave.retrieval.records.transfer import export_index

        return export_index(self._store, path)

    def import_(self, path: str | Path, *, trust: Trust = None) -> int:
        """Read a file that `export` wrote, from any store, and return the number of its records.

        All of the file is checked before anything is written. Of two judgments of one query and content the newer
        stays.

        Args:
            path: The file.
            trust: What its spaces may ask for beyond what is harmless, see `senseweave.trust`.

        Raises:
            TrustError: If a space that the index does not have asks for more than is allowed.
            StoreError: If the file is not an export or not whole; the message names the line.
            FingerprintError: If it holds vectors of another space under the name of a space of this index.
        """
        from senseweave.retrieval.records.transfer import import_index

        allowed = self._trust | parse_trust(trust)
        known = self._spaces.loaded
        return import_index(self._store, path, lambda new: check_descriptions([new], str(path), allowed, known=known))

    def verify(self, *, sources: bool = False) -> VerifyReport:
        """Check the files of a local index and every record: vector, text, id, fingerprint; on request its source."""
        from senseweave.retrieval.integrity.verify import verify_index

        return verify_index(self._store, sources=sources, policy=self.policy)

    def repair(self) -> RepairReport:
        """Rebuild a damaged folder from its database and the sources; what cannot be rebuilt is in `report.lost`.

        Raises:
            StoreError: If nothing can be rebuilt, or the index is not in a folder that can be written to.
        """
        from senseweave.retrieval.integrity.repair import repair_index

        return repair_index(self._store, lambda description: self._spaces.load()[description.space], policy=self.policy)
