"""The file of an exported index: JSON lines under a name of the format, ended by their number and checksum."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import logging
import os
import secrets
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from senseweave.errors import StoreError
from senseweave.redaction import cause
from senseweave.retrieval.records.export_entries import (
    ExportedJudgment,
    ExportedRecord,
    parse_collection,
    parse_judgment,
    parse_record,
)
from senseweave.retrieval.records.schema import Record
from senseweave.retrieval.stores.base import StoredRecord
from senseweave.retrieval.stores.description import Description

FORMAT: Final = "senseweave-index-2"
OLD_FORMAT: Final = "senseweave-index-1"
"""Of version 0.1, whose files do not end with a count and a checksum."""
LONGEST_LINE: Final = 1 << 26
"""Bytes of a line; a record of a whole book has a hundredth."""
LONGEST_REASON: Final = 300
GZIP: Final = b"\x1f\x8b"
_log = logging.getLogger(__name__)


class ExportWriter:
    """Writes the lines of an export and counts its records."""

    def __init__(self, file: IO[bytes]) -> None:
        """Write to `file`, beginning with the name of the format."""
        self.records = 0
        self._file = file
        self._digest = hashlib.sha256()
        self._line({"format": FORMAT})

    def collection(self, description: Description) -> None:
        """Write the line of a collection, which its records follow."""
        values = asdict(description)
        del values["folders"], values["copies"], values["sparse"]  # of the store, not of the records of the file
        try:
            json.dumps(values["calibration"], allow_nan=False)
        except ValueError:  # it is estimated again at the next add
            values["calibration"] = {}
        self._line({"collection": values})

    def record(self, record: Record) -> None:
        """Write the line of a record, its vector in base64 of little-endian float32."""
        vector = base64.b64encode(record.vector.astype("<f4").tobytes()).decode()
        self._line({"record": record.id, "text": record.text, "metadata": record.metadata, "vector": vector})
        self.records += 1

    def judgment(self, judgment: StoredRecord) -> None:
        """Write the line of a judged search."""
        self._line({"judgment": judgment.id, "text": judgment.text or "", "metadata": judgment.metadata})

    def end(self) -> None:
        """Write the last line, without which the file is not whole."""
        self._line({"end": {"records": self.records, "sha256": self._digest.hexdigest()}})

    def _line(self, entry: dict[str, Any]) -> None:
        line = (json.dumps(entry, sort_keys=True, ensure_ascii=False) + "\n").encode()
        self._digest.update(line)
        self._file.write(line)


@contextlib.contextmanager
def written_whole(target: Path) -> Iterator[ExportWriter]:
    """Give a writer to a file beside the target, and put it in the target's place once all is written.

    Whatever fails, the target keeps what it held. A target that is no file, such as a pipe, is written to directly.

    Raises:
        StoreError: If it cannot be written.
    """
    target = Path(os.path.realpath(target))
    try:
        kept = target.stat() if target.exists() else None
        if kept is not None and not stat.S_ISREG(kept.st_mode):
            with target.open("wb") as file, _packed(file, target) as packed:
                writer = ExportWriter(packed)
                yield writer
                writer.end()
            return
        beside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}.part")
        try:
            with beside.open("xb") as file:
                with _packed(file, target) as packed:
                    writer = ExportWriter(packed)
                    yield writer
                    writer.end()
                file.flush()
                os.fsync(file.fileno())
            if kept is not None:
                shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        msg = (
            f"{target}: the export cannot be written ({error}); what was there is unchanged: "
            "make room or choose another place"
        )
        raise StoreError(msg) from cause(error)


@contextlib.contextmanager
def readable_export(source: Path) -> Iterator[BinaryIO]:
    """Open an export, compressed or not, so that it can be read twice; what cannot be is copied to a temporary file.

    Raises:
        StoreError: If it cannot be opened.
    """
    with contextlib.ExitStack() as opened:
        try:
            file: Any = opened.enter_context(source.open("rb"))
            if not file.seekable():
                copied = opened.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(file, copied)
                file = copied
                file.seek(0)
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
        except (OSError, ValueError) as error:
            msg = f"{source}: the export cannot be opened ({_short(error)})"
            raise StoreError(msg) from cause(error)
        yield cast(BinaryIO, opened.enter_context(gzip.GzipFile(fileobj=file)) if packed else file)


def read_export(file: BinaryIO, source: Path) -> Iterator[Description | ExportedRecord | ExportedJudgment]:
    """Yield the collections, records and judgments of an export from its beginning, each checked in itself.

    A file that is not whole ends in an error, so what is yielded counts only once all of it was read.

    Raises:
        StoreError: If a line is not as `ExportWriter` writes it, or the last is missing; the message names the line.
    """
    number = 0
    try:
        file.seek(0)
        digest, records, number = hashlib.sha256(), 0, 1
        version = _first_line(file, source, digest)
        collection: Description | None = None
        names: set[str] = set()
        ids: set[str] = set()
        while True:
            before = digest.hexdigest()
            number += 1
            entry = _next_line(file, digest)
            if "end" in entry and version == FORMAT:
                _check_end(entry, records, before)
                if file.read(1):
                    msg = "the file goes on after its last line"
                    raise ValueError(msg)
                return
            if not entry and version == OLD_FORMAT:
                _log.warning("%s was written by senseweave 0.1, without a checksum: it may be incomplete", source)
                return
            if not entry:
                msg = "the last line, with the count and the checksum, is missing: the export is incomplete"
                raise ValueError(msg)
            if "collection" in entry:
                collection = parse_collection(entry)
                if collection.name in names:
                    msg = f"a second collection is called {collection.name!r}"
                    raise ValueError(msg)
                names.add(collection.name)
                ids = set()
                yield collection
                continue
            if "judgment" in entry and version == FORMAT:
                yield parse_judgment(entry)
                continue
            if collection is None:
                msg = "a record line comes before the line of its collection"
                raise ValueError(msg)
            record = parse_record(entry, collection, copies=version == OLD_FORMAT)
            if record.id in ids:
                msg = f"a second record has the id {record.id!r}"
                raise ValueError(msg)
            ids.add(record.id)
            records += 1
            yield record
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{source}, line {number}: cannot be read ({_short(error)}); the export may be incomplete"
        raise StoreError(msg) from cause(error)
    except (ValueError, RecursionError) as error:
        msg = f"{source}, line {number}: {_short(error)}"
        raise StoreError(msg) from cause(error)


def _first_line(file: BinaryIO, source: Path, digest: Any) -> str:
    """Return the format that the first line names."""
    try:
        version = _next_line(file, digest)
    except (ValueError, RecursionError):
        version = {}
    if version not in ({"format": FORMAT}, {"format": OLD_FORMAT}):
        msg = f"{source} is not an exported index: its first line must name the format {FORMAT}"
        raise StoreError(msg)
    return str(version["format"])


def _next_line(file: BinaryIO, digest: Any) -> dict[str, Any]:
    """Return what the next line holds; an empty dict at the end of the file."""
    line = file.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        msg = f"longer than {LONGEST_LINE:,} bytes"
        raise ValueError(msg)
    digest.update(line)
    if not line:
        return {}
    try:
        entry = json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        msg = f"not valid JSON ({error}); the export may be incomplete"
        raise ValueError(msg) from error
    if not isinstance(entry, dict) or not entry:
        msg = f"expected a JSON object, not {type(entry).__name__ if entry or entry == 0 else 'an empty value'}"
        raise ValueError(msg)
    return entry


def _refuse(constant: str) -> None:
    msg = f"{constant} is not JSON"
    raise ValueError(msg)


def _check_end(entry: dict[str, Any], records: int, digest: str) -> None:
    expected = {"end": {"records": records, "sha256": digest}}
    if entry != expected:
        given = entry["end"].get("records") if isinstance(entry["end"], dict) else None
        problem = f"of {given!r} records {records} are there" if given != records else "the checksum differs"
        msg = f"{problem}: the export was damaged or changed"
        raise ValueError(msg)


@contextlib.contextmanager
def _packed(file: IO[bytes], target: Path) -> Iterator[IO[bytes]]:
    if target.suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            yield cast(IO[bytes], packed)
    else:
        yield file


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    text = (lines[0] if lines else type(error).__name__).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
