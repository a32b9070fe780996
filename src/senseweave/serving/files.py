"""Read the files of an index for clients: only those that its records name, and only as they were when they were added.

An index folder may come from a stranger, who could record any path of this machine as a source. A file is therefore
served only if its bytes have the hash that the record has: whoever chose the path cannot learn what he did not know.
The same check covers files that have changed and links that lead elsewhere now.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from cachetools import LRUCache

from senseweave.errors import MediaError, MissingReaderError
from senseweave.forking import Lock
from senseweave.media import Audio, Image, MediaPolicy, Modality, Video
from senseweave.media.forms.inputs import as_source
from senseweave.media.forms.local_names import source_path
from senseweave.media.forms.parts import open_parts
from senseweave.media.fused import FUSED
from senseweave.media.kinds.text import FILE_HASH
from senseweave.retrieval import Index
from senseweave.retrieval.listing import IndexRecord
from senseweave.retrieval.records.identity import picture_provenance
from senseweave.retrieval.records.schema import Provenance
from senseweave.serving.errors import ApiError

LOG = logging.getLogger("senseweave.serving")
KINDS: Final[dict[Modality, Any]] = {"image": Image, "audio": Audio, "video": Video}
REMEMBERED: Final = 4096
"""Files whose hashes are remembered as long as they are unchanged."""
GONE: Final = (
    "the file is not as it was when it was indexed, or not there for this server: it has changed, has gone, or is on "
    "another machine"
)
"""One answer for all of it: a difference would tell which files this machine has."""


@dataclass
class OpenFile:
    """A file of a record, open at its start and checked.

    Attributes:
        file: Open for reading, seekable.
        size: In bytes.
        sha256: Of its bytes, in hexadecimal.
        mime_type: As it was detected when it was added.
        name: What a client may call it.
    """

    file: BinaryIO
    size: int
    sha256: str
    mime_type: str
    name: str


class RecordFiles:
    """The records of an index and their files."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._hashes: LRUCache[Any, str] = LRUCache(REMEMBERED)
        self._lock = Lock()

    @property
    def longest_seconds(self) -> float:
        """The longest recording or video that the policy of the index allows, in seconds."""
        return self._index.policy.max_seconds

    def find(self, identifier: str) -> IndexRecord:
        """Return the record of an id.

        Raises:
            ApiError: If there is none.
        """
        for record in self._index.records(ids=[identifier]):
            return record
        raise ApiError(404, "no_such_record", "there is no record of this id")

    @contextmanager
    def open(self, record: IndexRecord) -> Iterator[OpenFile]:
        """Open the file of a record, of a part that part alone.

        Raises:
            ApiError: If the record has no file here, or the file is another now.
        """
        opened = self._open(shown_provenance(record.provenance))
        try:
            yield opened
        finally:
            opened.file.close()

    def take(self, record: IndexRecord) -> OpenFile:
        """Open the file of a record as `open` does; the caller closes it."""
        return self._open(shown_provenance(record.provenance))

    @contextmanager
    def media(self, record: IndexRecord, *, span: tuple[float, float] | None = None) -> Iterator[Any]:
        """Give the media of a record for decoding, between two checks of its file; of a page of a PDF, its picture.

        Args:
            record: The record.
            span: Seconds of the source, in place of those of the record.

        Raises:
            ApiError: If the record has no file here, the file is another now, or it cannot be decoded.
        """
        shown = shown_provenance(record.provenance)
        self._open(shown).file.close()
        kind = KINDS.get(shown.modality, Image)
        place, policy = source_path(shown.source or ""), self._index.policy
        try:
            yield kind(place, span=span or shown.span, page=shown.page, part=shown.part, policy=policy)
        except MissingReaderError as error:
            raise ApiError(501, "missing_reader", error.reason) from None
        except MediaError as error:
            LOG.info("%s", error)
            raise ApiError(422, "unreadable", "the media cannot be decoded") from None
        self._open(shown).file.close()  # what was put in its place meanwhile is not shown

    def _open(self, provenance: Provenance) -> OpenFile:
        path = source_path(provenance.source or "")
        expected = {provenance.sha256, provenance.own.get(FILE_HASH)} - {None}
        if path is None or not has_file(provenance):
            raise ApiError(
                404, "no_file", "the index keeps no copy of this content, and it came from no file of this machine"
            )
        try:
            if provenance.part is not None:
                opened = self._open_part(path, provenance)
            else:
                opened = self._open_whole(path, provenance)
        except MediaError as error:
            LOG.info("%s", error)
            raise ApiError(410, "gone", GONE) from None
        if opened.sha256 not in expected:
            opened.file.close()
            LOG.warning("record of %r: the file has another hash than was recorded", path)
            raise ApiError(410, "gone", GONE)
        return opened

    def _open_whole(self, path: str, provenance: Provenance) -> OpenFile:
        file, checked = self._index.policy.open_file(path)
        key = (str(checked.real), checked.version)
        with self._lock:
            digest = self._hashes.get(key)
        try:
            if digest is None:
                digest = hashlib.file_digest(cast(Any, file), "sha256").hexdigest()
                file.seek(0)
                with self._lock:
                    self._hashes[key] = digest
        except BaseException:
            file.close()
            raise
        return _opened(file, checked.size, digest, provenance, path)

    def _open_part(self, path: str, provenance: Provenance) -> OpenFile:
        policy: MediaPolicy = self._index.policy
        whole = as_source(path, policy)
        assert whole is not None
        assert provenance.part is not None
        data = open_parts(whole, provenance.part).read()
        digest = hashlib.sha256(data).hexdigest()
        return _opened(io.BytesIO(data), len(data), digest, provenance, provenance.part)


def has_file(provenance: Provenance) -> bool:
    """Return whether a record may have a file on this machine; whether it still is there is another question."""
    is_local = source_path(provenance.source or "") is not None
    return is_local and provenance.sha256 is not None and FUSED not in provenance.own


def shown_provenance(provenance: Provenance) -> Provenance:
    """Return the provenance of what a person is shown: of the picture for words that were read in it."""
    return picture_provenance(provenance) or provenance


def _opened(file: BinaryIO, size: int, digest: str, provenance: Provenance, path: str) -> OpenFile:
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return OpenFile(file, size, digest, provenance.mime_type or "application/octet-stream", name)
