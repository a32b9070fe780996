"""Messages of Outlook (MSG): subject, sender and text, and the attachments."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from senseweave.errors import MediaError
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
            sender = " ".join(filter(None, [_text(ole, SENDER), _text(ole, ADDRESS)]))
            shown = (("From", sender), ("To", _text(ole, TO)), ("Cc", _text(ole, CC)))
            builder.paragraph("\n".join(f"{name}: {clean(value)}" for name, value in shown if value))
            builder.paragraph(_body(ole, source))
            return ParsedDocument([builder.page()], [Part(name) for name, _ in _attachments(ole)])

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open an attachment."""
        with _opened(source) as ole:
            for known, storage in _attachments(ole):
                if known == name:
                    return io.BytesIO(_stream(ole, f"{storage}/__substg1.0_{DATA}0102"))
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


def _text(ole: Any, number: str, folder: str = "") -> str:
    """Return a property that is text, in UTF-16 or an older encoding."""
    wide = _stream(ole, f"{folder}__substg1.0_{number}001F")
    words = (
        wide.decode("utf-16-le", "replace") if wide else decode_text(_stream(ole, f"{folder}__substg1.0_{number}001E"))
    )
    return words.replace("\0", "").replace("\r\n", "\n")


def _body(ole: Any, source: Source) -> str:
    """Return the text of a message, from the first of its forms that has any."""
    if words := _text(ole, BODY).strip():
        return words
    html = _stream(ole, f"__substg1.0_{HTML}0102") or _text(ole, HTML).encode()
    if html.strip():
        return html_words(decode_text(html), source.label)
    packed = _stream(ole, f"__substg1.0_{RTF}0102")
    return rtf_words(unpack_rtf(packed, source), source) if packed else ""


def _attachments(ole: Any) -> list[tuple[str, str]]:
    """Return name and storage of each attachment with data; a message inside a message has none."""
    storages = sorted({entry[0] for entry in ole.listdir() if entry[0].startswith(_ATTACHMENT)})
    found: dict[str, str] = {}
    for number, storage in enumerate(storages, 1):
        if ole.exists(f"{storage}/__substg1.0_{DATA}0102"):
            name = _text(ole, LONG_NAME, f"{storage}/") or _text(ole, NAME, f"{storage}/")
            name = clean(name).replace("\\", "/").rpartition("/")[2] or f"part-{number}"
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
