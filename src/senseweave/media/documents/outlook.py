"""Messages of Outlook (MSG): subject, sender and text, and the attachments."""

from __future__ import annotations

import contextlib
import email.header
import io
import struct
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any, BinaryIO, Final

from senseweave.errors import MediaError, PolicyError
from senseweave.extras import require_reader
from senseweave.media.documents.base import Part, no_part
from senseweave.media.documents.html import html_words
from senseweave.media.documents.parsed import Builder, ParsedDocument, ParsedReader, clean
from senseweave.media.documents.plain import decode_text
from senseweave.media.documents.rtf import rtf_words
from senseweave.media.forms.source import Source

KIND: Final = "an Outlook message (MSG)"
SUBJECT, SENDER, ADDRESS, TO, CC = "0037", "0C1A", "0C1F", "0E04", "0E03"
BODY, RTF, HTML = "1000", "1009", "1013"
DATA, LONG_NAME, NAME = "3701", "3707", "3704"
"""Properties, from Microsoft's [MS-OXPROPS]."""
_ATTACHMENT = "__attach_version1.0_"
_MESSAGE = "__substg1.0_3701000D"
"""The storage of a message that is attached."""
_PREBUF: Final = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par "
    b"\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What compressed RTF may refer to before its beginning ([MS-OXRTFCP] 2.1.2.1)."""


class OutlookReader(ParsedReader):
    """Reads messages of Outlook."""

    name = "msg"
    mime_types = ("application/vnd.ms-outlook",)
    paged = False

    def parse(self, source: Source) -> ParsedDocument:
        """Return the text of a message and its attachments."""
        with _opened(source) as ole:
            builder = Builder(source)
            builder.heading(_text(ole, SUBJECT))
            builder.paragraph("\n".join(f"{name}: {value}" for name, value in _people(ole)))
            builder.paragraph(_body(ole, source))
            attached = _attachments(ole)
            source.policy.check_parts(source.label, len(attached))
            return ParsedDocument([builder.page()], [Part(name) for name, _ in attached])

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open an attachment."""
        with _opened(source) as ole:
            for known, storage in _attachments(ole):
                if known == name:
                    return io.BytesIO(_attached(ole, storage, source))
        raise no_part(source, name)


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[Any]:
    olefile = require_reader("olefile", extra="documents", feature="reading Outlook messages", source=source.label)
    with source.open() as file:
        try:
            with olefile.OleFileIO(file, raise_defects=olefile.DEFECT_FATAL) as ole:
                yield ole
        except MediaError:
            raise
        except Exception as error:  # olefile raises whatever a broken table leads to
            raise MediaError(source.label, f"is {KIND} that is broken ({error or type(error).__name__})") from error


def _stream(ole: Any, name: str) -> bytes:
    return bytes(ole.openstream(name).read()) if ole.exists(name) else b""


def _people(ole: Any, folder: str = "") -> list[tuple[str, str]]:
    """Return the sender and the recipients of a message by the names of their headers."""
    sender = " ".join(filter(None, [_text(ole, SENDER, folder), _text(ole, ADDRESS, folder)]))
    shown = (("From", sender), ("To", _text(ole, TO, folder)), ("Cc", _text(ole, CC, folder)))
    return [(name, clean(value)) for name, value in shown if clean(value)]


def _attached(ole: Any, storage: str, source: Source) -> bytes:
    """Return the bytes of an attachment; a message inside a message becomes one of plain mail."""
    if ole.exists(f"{storage}/{_MESSAGE}"):
        return bytes(_as_mail(ole, f"{storage}/{_MESSAGE}/", source, source.depth + 1))
    return _stream(ole, f"{storage}/__substg1.0_{DATA}0102")


def _as_mail(ole: Any, folder: str, source: Source, depth: int) -> EmailMessage:
    """Return a message inside a message, with what is attached to it.

    Raises:
        PolicyError: If messages are nested deeper than the policy allows.
    """
    if depth > source.policy.max_depth:
        limit = f"the policy allows {source.policy.max_depth} (max_depth)"
        raise PolicyError(source.label, f"holds messages nested in {depth} files; {limit}")
    message = EmailMessage()
    for name, value in [*_people(ole, folder), ("Subject", clean(_text(ole, SUBJECT, folder)))]:
        message[name] = email.header.Header(value, "utf-8").encode(maxlinelen=0)
    message["MIME-Version"] = "1.0"
    message.set_content(_body(ole, source, folder).encode("utf-8", "replace").decode(), cte="base64")
    for name, storage in _attachments(ole, folder):
        if ole.exists(f"{storage}/{_MESSAGE}"):
            message.add_attachment(_as_mail(ole, f"{storage}/{_MESSAGE}/", source, depth + 1))
        else:
            data = _stream(ole, f"{storage}/__substg1.0_{DATA}0102")
            message.add_attachment(data, "application", "octet-stream", filename=name)
    if message.is_multipart():
        message.set_boundary(f"=_message_{depth}")  # else it is random, and the bytes differ from call to call
    return message


def _text(ole: Any, number: str, folder: str = "") -> str:
    """Return a property that is text, in UTF-16 or an older encoding."""
    wide = _stream(ole, f"{folder}__substg1.0_{number}001F")
    words = (
        wide.decode("utf-16-le", "replace") if wide else decode_text(_stream(ole, f"{folder}__substg1.0_{number}001E"))
    )
    return words.replace("\0", "").replace("\r\n", "\n")


def _body(ole: Any, source: Source, folder: str = "") -> str:
    """Return the text of a message, from the first of its forms that has any."""
    if words := _text(ole, BODY, folder).strip():
        return words
    html = _stream(ole, f"{folder}__substg1.0_{HTML}0102") or _text(ole, HTML, folder).encode()
    if html.strip():
        return html_words(decode_text(html), source.label)
    packed = _stream(ole, f"{folder}__substg1.0_{RTF}0102")
    return rtf_words(unpack_rtf(packed, source), source) if packed else ""


def _attachments(ole: Any, folder: str = "") -> list[tuple[str, str]]:
    """Return name and storage of each attachment of a message that has data or is a message."""
    above = folder.rstrip("/").split("/") if folder else []
    level = len(above)
    inside = {entry[level] for entry in ole.listdir() if entry[:level] == above and len(entry) > level}
    found: dict[str, str] = {}
    for number, place in enumerate(sorted(name for name in inside if name.startswith(_ATTACHMENT)), 1):
        storage = f"{folder}{place}"
        is_message = ole.exists(f"{storage}/{_MESSAGE}")
        if is_message or ole.exists(f"{storage}/__substg1.0_{DATA}0102"):
            name = _text(ole, LONG_NAME, f"{storage}/") or _text(ole, NAME, f"{storage}/")
            name = clean(name).replace("\\", "/").rpartition("/")[2] or f"part-{number}{'.eml' if is_message else ''}"
            found[name if name not in found else f"{number}-{name}"] = storage
    return list(found.items())


def unpack_rtf(packed: bytes, source: Source) -> bytes:
    """Return RTF that Outlook has compressed ([MS-OXRTFCP]).

    Raises:
        MediaError: If it is broken.
        PolicyError: If it is larger than the policy allows.
    """
    if len(packed) < 16:
        raise MediaError(source.label, f"is {KIND} whose text is broken")
    _, size, kind, _ = struct.unpack("<IIII", packed[:16])
    source.policy.check_text(source.label, size)
    if kind == 0x414C454D:  # not compressed
        return packed[16 : 16 + size]
    window = bytearray(_PREBUF.ljust(4096, b"\0"))
    write, at, out = len(_PREBUF), 16, bytearray()
    while at < len(packed) and len(out) < size:
        flags = packed[at]
        at += 1
        for bit in range(8):
            if not flags >> bit & 1:
                pieces = packed[at : at + 1]
                at += 1
            else:
                reference = int.from_bytes(packed[at : at + 2], "big")
                at += 2
                start, length = reference >> 4, (reference & 15) + 2
                if start == write % 4096:
                    return bytes(out)
                pieces = b""
                for step in range(length):
                    byte = window[(start + step) % 4096]
                    window[(write + step) % 4096] = byte
                    pieces += bytes([byte])
            for byte in pieces:
                window[write % 4096] = byte
                write += 1
            out += pieces
            if at >= len(packed):
                break
    return bytes(out[:size])
