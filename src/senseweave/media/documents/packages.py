"""ZIP files, read within the policy's limits: the packages of Office, OpenDocument and EPUB, and archives."""

from __future__ import annotations

import contextlib
import posixpath
import re
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from senseweave.errors import MediaError, PolicyError
from senseweave.extras import require_reader
from senseweave.media.documents.base import no_part
from senseweave.media.forms.source import Source

if TYPE_CHECKING:
    from lxml.etree import _Element

IN_MEMORY: Final = 16 * 1024**2
"""Larger members are unpacked into a temporary file."""
SWOLLEN: Final = 50
"""Times that a large member may be larger than its packed bytes. Pictures and recordings hardly shrink; a bomb of zeros
does a thousand times."""
SWOLLEN_FROM: Final = 64 * 1024**2
MAX_ELEMENTS: Final = 2_000_000
"""Elements of one XML file: 500 pages of prose have about 200,000, and each takes 120 bytes of libxml2's memory."""
_HARMLESS: Final = {"ERR_UNDECLARED_ENTITY", "ERR_ATTRIBUTE_REDEFINED", "ERR_DOCUMENT_END"}
"""Errors in XML that lose no words: names of letters that HTML has, and what follows the end."""
_DRAWN_TEXT: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}t"
_DIRECTORY_ENTRY: Final = 46
"""Smallest size of an entry in the directory of a ZIP file, in bytes."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError, KeyError)


_directories: weakref.WeakKeyDictionary[Source, dict[str, zipfile.ZipInfo]] = weakref.WeakKeyDictionary()
"""Directories of ZIP files, which are read once although each file inside is opened by itself."""


class _KnownZip(zipfile.ZipFile):
    """A ZIP file whose directory is known."""

    def __init__(self, file: BinaryIO, directory: dict[str, zipfile.ZipInfo]) -> None:
        self._directory = directory
        super().__init__(file)

    def _RealGetContents(self) -> None:  # noqa: N802  (the method of zipfile that reads the directory)
        self.NameToInfo = self._directory


class Package:
    """An open ZIP file."""

    def __init__(self, source: Source, file: BinaryIO, kind: str) -> None:
        """Read the directory of a ZIP file.

        Args:
            source: Of the file.
            file: The file, at position 0.
            kind: What the file is called in messages, for example `Word document (DOCX)`.

        Raises:
            MediaError: If it is broken.
            PolicyError: If it holds more files than the policy allows.
        """
        self.source = source
        self.kind = kind
        known = _directories.get(source)
        if known is None:
            self._check_directory(file)
        try:
            self._zip = zipfile.ZipFile(file) if known is None else _KnownZip(file, known)
        except _BROKEN as error:
            raise self.broken(error) from error
        if known is None:
            infos = [info for info in self._zip.filelist if info.filename and not info.is_dir()]
            known = _directories[source] = {info.filename: info for info in infos}
        self._members = known
        source.policy.check_parts(source.label, len(known))

    @property
    def names(self) -> list[str]:
        """Names of its files, in the order of its directory."""
        return list(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """Return the bytes of a file of text, within the policy's `max_text_bytes`.

        Raises:
            MediaError: If there is no such file, or it is broken.
        """
        with self.open(name, self.source.policy.max_text_bytes) as file:
            return file.read()

    def open(self, name: str, limit: int | None = None) -> BinaryIO:
        """Unpack a file and open it.

        Args:
            name: Of the file.
            limit: Most bytes of a file of text; None for any other file, within `max_bytes`.

        Raises:
            MediaError: If there is no such file, or it is broken.
            PolicyError: If it is larger than the policy allows, or made to swell.
        """
        info = self._members.get(name)
        if info is None:
            raise no_part(self.source, name)
        if info.flag_bits & 1:
            raise MediaError(self.source.label, f"is a {self.kind} in which {name!r} is protected by a password")
        policy, label = self.source.policy, self.source.label
        swollen = max(SWOLLEN_FROM, SWOLLEN * info.compress_size)
        unpacked = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        total = 0
        try:
            with self._zip.open(info) as packed:
                while block := packed.read(1 << 18):
                    total += len(block)
                    if limit is not None and total > limit:
                        policy.check_text(f"{label}, {name}", max(total, info.file_size))
                    if total > swollen:
                        reason = f"swells from {info.compress_size:,} bytes to over {swollen:,}: it was made to do harm"
                        raise PolicyError(f"{label}, {name}", reason)
                    policy.check_bytes(label, total)
                    unpacked.write(block)
        except MediaError:
            unpacked.close()
            raise
        except _BROKEN as error:
            unpacked.close()
            raise self.broken(error) from error
        unpacked.seek(0)
        return cast(BinaryIO, unpacked)

    def xml(self, name: str) -> _Element:
        """Return the root of an XML file, whose entities are not resolved.

        Raises:
            MediaError: If there is no such file, or it is not XML.
            PolicyError: If it has too many elements, or declares entities.
        """
        _etree(self.source, self.kind)
        return parse_xml(transitional(self.read(name)), self.source, self.kind, name)

    def main_part(self, otherwise: str) -> str:
        """Return the name of the main file of an Office package; some programs number it."""
        if "_rels/.rels" in self:
            for relation in self.xml("_rels/.rels"):
                if str(relation.get("Type", "")).endswith("/officeDocument"):
                    return resolve("", relation.get("Target", ""))
        return otherwise

    def size(self, pattern: str) -> int:
        """Return the unpacked size in bytes of all files whose name matches a pattern; unpacking ends there."""
        return sum(info.file_size for name, info in self._members.items() if re.fullmatch(pattern, name))

    def check_xml(self, pattern: str = r"(?i).*\.(xml|rels|vml)") -> None:
        """Check the size of all XML files before a library parses them.

        Raises:
            MediaError: If one is broken.
            PolicyError: If they are together larger than the policy allows, or one has too many elements.
        """
        total = 0
        for name in self._members:
            if re.fullmatch(pattern, name):
                data = self.read(name)
                total += len(data)
                self.source.policy.check_text(self.source.label, total)
                check_elements(data, f"{self.source.label}, {name}")

    def broken(self, error: Exception) -> MediaError:
        """Return the error of a broken file."""
        return MediaError(self.source.label, f"is a broken {self.kind} ({error or type(error).__name__})")

    def _check_directory(self, file: BinaryIO) -> None:
        """Check the size of the directory before it is read."""
        size = file.seek(0, 2)
        file.seek(max(0, size - 65_557))
        tail = file.read()
        file.seek(0)
        at = tail.rfind(b"PK\x05\x06")
        if at >= 0:
            length = min(int.from_bytes(tail[at + 12 : at + 16], "little"), size)
            longest = _DIRECTORY_ENTRY + 1024
            if length > self.source.policy.max_parts * longest:
                self.source.policy.check_parts(self.source.label, length // longest)


@contextlib.contextmanager
def open_package(source: Source, kind: str) -> Iterator[Package]:
    """Open a ZIP file; errors of a library that reads it inside the block become media errors.

    Raises:
        MediaError: If it is broken.
        PolicyError: If it holds more files than the policy allows.
    """
    with source.open() as file:
        package = Package(source, file, kind)
        try:
            yield package
        except MediaError:
            raise
        except Exception as error:  # libraries raise whatever a missing or strange file leads to
            raise package.broken(error) from error


def transitional(data: bytes) -> bytes:
    """Return XML of an Office package with the names of the transitional form in place of those of the strict one."""
    if b"purl.oclc.org/ooxml/" not in data[:8192]:
        return data
    return re.sub(rb"http://purl\.oclc\.org/ooxml/(\w+)/", rb"http://schemas.openxmlformats.org/\1/2006/", data)


def parse_xml(data: bytes, source: Source, kind: str, name: str | None = None) -> _Element:
    """Return the root of an XML document, read without entities, network or a limit on depth that crashes.

    One that is damaged is read as far as it can be, and the source has a note.

    Args:
        data: The document.
        source: The file that it is, or is in.
        kind: What the file is called in messages.
        name: Of the document in the file; None for the file itself.

    Raises:
        MediaError: If it is not XML.
        PolicyError: If it has too many elements, or declares entities.
    """
    etree = _etree(source, kind)
    label = f"{source.label}, {name}" if name is not None else source.label
    check_elements(data, label)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=True)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MediaError(label, f"is not valid XML ({error})") from error
    if root is None:
        raise MediaError(label, "is not valid XML")
    note_damage(source, parser.error_log, name)
    return cast("_Element", root)


def note_damage(source: Source, errors: Iterable[Any], name: str | None = None) -> None:
    """Note on a source where its XML is damaged, by the errors of a parser that went on after them.

    Args:
        source: The file.
        errors: The parser's `error_log`.
        name: Of the XML in the file; None for the file itself.
    """
    lines = [error.line for error in errors if error.level_name == "FATAL" and error.type_name not in _HARMLESS]
    if lines:
        source.note(f"{name or 'the XML'} is damaged in line {lines[0]:,}: words may be missing")


def _etree(source: Source, kind: str) -> Any:
    return require_reader("lxml.etree", extra="documents", feature=f"reading a {kind}", source=source.label)


def check_elements(data: bytes, label: str) -> None:
    """Check an XML document before it is parsed.

    Raises:
        PolicyError: If it has too many elements, or declares entities.
    """
    if (count := data.count(b"<")) > MAX_ELEMENTS or (count := data.count(b'="')) > 2 * MAX_ELEMENTS:
        raise PolicyError(label, f"has {count:,} XML elements or attributes; at most {MAX_ELEMENTS:,} are read")
    if b"<!ENTITY" in data:
        raise PolicyError(label, "declares XML entities, which are not read")


def resolve(base: str, target: str) -> str:
    """Return the name of the file that another file of the package refers to."""
    path = target if target.startswith("/") else posixpath.join(posixpath.dirname(base), target)
    return posixpath.normpath(path).lstrip("/")


def drawn_words(root: _Element) -> list[str]:
    """Return the words of a drawing, diagram or chart, each once: titles, names of series and categories."""
    named = [value for name in ("tx", "cat") for at in root.iter(f"{{*}}{name}") for value in at.iter("{*}v")]
    values = [" ".join((element.text or "").split()) for element in [*root.iter(_DRAWN_TEXT), *named]]
    return [value for value in dict.fromkeys(values) if value]
