"""Mail: messages (EML), mailboxes (MBOX) and web pages that browsers save as messages (MHT), without a library."""

from __future__ import annotations

import contextlib
import email
import email.errors
import email.header
import email.policy
import io
import mimetypes
import posixpath
import re
import weakref
from collections.abc import Iterator
from email.message import Message
from typing import BinaryIO, Final

from senseweave.errors import MediaError
from senseweave.media.documents.base import Part, no_part
from senseweave.media.documents.html import html_words
from senseweave.media.documents.parsed import Builder, Page, ParsedDocument, ParsedReader, check_pages, clean
from senseweave.media.documents.plain import declared_encoding, decode_declared, decode_text
from senseweave.media.forms.source import Source

SHOWN: Final = ("From", "To", "Cc", "Date")
"""Headers that stand above the text, below the subject."""
LONGEST_HEADER: Final = 2000
MAX_NESTED: Final = 50
"""Messages and parts of parts inside each other; the standard library needs a few frames of the stack for each."""
ENCRYPTED: Final = "of an encrypted message only the headers were read; save it decrypted"
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_PAGE_FILES = ("text/css", "text/javascript", "application/javascript", "application/x-javascript", "font/woff2")
_START = b"From "
_APPLE = re.compile(rb"(\d{1,9})[ \t]*\r?\n(?=[A-Za-z-]+:)")
"""Apple's Mail puts the length of the message before it, and properties after it (EMLX)."""


class MailReader(ParsedReader):
    """Reads a message, or a web page saved as one."""

    name = "mail"
    mime_types = ("message/rfc822",)
    paged = False

    def parse(self, source: Source) -> ParsedDocument:
        """Return the text of a message and its attachments."""
        message = _parse(source.read(), source)
        return ParsedDocument([_page(message, source)], [Part(name) for name in _attachments(message, source)])

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open an attachment."""
        return _open(_parse(source.read(), source), name, source)


class MboxReader(ParsedReader):
    """Reads a mailbox, whose pages are its messages."""

    name = "mbox"
    mime_types = ("application/mbox",)

    def parse(self, source: Source) -> ParsedDocument:
        """Return the texts of the messages and their attachments, each with the number of its message before it."""
        mailbox = ParsedDocument([])
        length = 0
        with source.open() as file:
            places = _known_places(source, file)
            check_pages(source, len(places))
            for number, (start, end) in enumerate(places, 1):
                message = _parse(_message_bytes(file, start, end), source)
                mailbox.pages.append(_page(message, source))
                length += len(mailbox.pages[-1].text)
                source.policy.check_text(source.label, length)
                mailbox.parts += [Part(f"{number}/{name}", number) for name in _attachments(message, source)]
                source.policy.check_parts(source.label, len(mailbox.parts))
        return mailbox

    def open_part(self, source: Source, name: str) -> BinaryIO:
        """Open an attachment."""
        number, _, rest = name.partition("/")
        with source.open() as file:
            places = _known_places(source, file)
            if number.isdecimal() and 0 < int(number) <= len(places):
                return _open(_parse(_message_bytes(file, *places[int(number) - 1]), source), rest, source)
        raise no_part(source, name)


_places_by_source: weakref.WeakKeyDictionary[Source, tuple[tuple[int, int], ...]] = weakref.WeakKeyDictionary()


def _known_places(source: Source, file: BinaryIO) -> tuple[tuple[int, int], ...]:
    """Return where the messages of a mailbox lie, which is found once although each attachment is opened by itself."""
    if source not in _places_by_source:
        _places_by_source[source] = tuple(_places(file))
    return _places_by_source[source]


def _places(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield where each message of a mailbox begins and ends."""
    file.seek(0)
    start, position, blank = None, 0, True
    for line in iter(lambda: file.readline(1 << 16), b""):
        if blank and line.startswith(_START):
            if start is not None:
                yield start, position
            start = position
        blank = not line.strip()
        position += len(line)
    if start is not None:
        yield start, position


def _message_bytes(file: BinaryIO, start: int, end: int) -> bytes:
    place = file.tell()
    file.seek(start)
    data = file.read(end - start)
    file.seek(place)
    return re.sub(rb"(?m)^>(>*From )", rb"\1", data.partition(b"\n")[2])


def _parse(data: bytes, source: Source) -> Message:
    if count := _APPLE.match(data):
        data = data[count.end() : count.end() + int(count[1])]
    try:
        return email.message_from_bytes(data.lstrip(b"\xef\xbb\xbf\r\n"), policy=email.policy.compat32)
    except Exception as error:  # RecursionError where messages are nested too deep
        raise MediaError(source.label, f"is a broken message ({error})") from error


def _page(message: Message, source: Source) -> Page:
    """Return the subject, the most important headers and the text of a message."""
    builder = Builder(source)
    builder.heading(_header(message, "Subject"))
    shown = [(name, _header(message, name)) for name in SHOWN]
    builder.paragraph("\n".join(f"{name}: {value}" for name, value in shown if value))
    for text in _texts(message, source):
        builder.paragraph(text)
    return builder.page()


def _header(message: Message, name: str) -> str:
    value = next((str(value) for given, value in message.raw_items() if given.lower() == name.lower()), "")
    value = _with_bare_letters(value[:LONGEST_HEADER], message)
    try:
        return clean(_words(value))
    except (ValueError, email.errors.HeaderParseError):  # broken base64
        return clean(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def _words(value: str) -> str:
    """Return a header with its encoded words decoded.

    Raises:
        HeaderParseError: If one is broken.
        ValueError: If one holds surrogates.
    """
    found: list[tuple[str, str | None]] = []
    for data, charset in email.header.decode_header(value):
        if isinstance(data, str):
            found.append((data, None))
        elif charset is None:
            found.append((data.decode("raw-unicode-escape"), None))
        else:
            found.append((decode_declared(data, charset), "utf-8"))
    return str(email.header.make_header(found))


def _with_bare_letters(value: str, message: Message) -> str:
    """Return a header with the letters that stand in it unencoded, as old programs wrote them."""
    data = value.encode("utf-8", "surrogateescape")
    for charset in ("utf-8", message.get_content_charset() or "utf-8"):
        with contextlib.suppress(ValueError):
            return data.decode(declared_encoding(charset))
    return decode_text(data)


def _leaves(message: Message, source: Source, depth: int = 0) -> Iterator[Message]:
    """Yield the parts of a message that hold content, choosing one of those that say the same."""
    if depth > MAX_NESTED:
        raise MediaError(source.label, f"is a message with parts nested over {MAX_NESTED} deep")
    if _is_encrypted(message):
        source.note(ENCRYPTED)
        return
    if message.get_content_maintype() != "multipart":
        yield message
        return
    parts = message.get_payload()
    if not isinstance(parts, list):  # it says it has parts, and has none
        yield message
        return
    found = [part for part in parts if isinstance(part, Message)]
    if message.get_content_subtype() == "alternative":
        found = _chosen(found)
    for part in found:
        yield from _leaves(part, source, depth + 1)


def _chosen(alternatives: list[Message]) -> list[Message]:
    """Return the plain text among alternatives if there is any in it, else the last; what is not text stays."""
    kept = [part for part in alternatives if part.get_content_maintype() not in ("text", "multipart")]
    plain = [part for part in alternatives if part.get_content_type() == "text/plain" and _bytes(part).strip()]
    rest = [part for part in alternatives if part.get_content_maintype() in ("text", "multipart")]
    # Pictures that the other form shows stand inside it.
    related = [part for part in rest if part.is_multipart()]
    if plain:
        return [*plain[:1], *_pictures(related), *kept]
    return [*rest[-1:], *kept]


def _pictures(parts: list[Message]) -> list[Message]:
    inner = [part.get_payload() for part in parts]
    return [
        each
        for group in inner
        if isinstance(group, list)
        for each in group
        if isinstance(each, Message) and each.get_content_maintype() not in ("text", "multipart")
    ]


def _is_text(part: Message) -> bool:
    """Return whether a part is text to be read in the message, and no attachment."""
    kind = part.get_content_type()
    return kind in ("text/plain", "text/html") and part.get_content_disposition() != "attachment" and not _given(part)


def _texts(message: Message, source: Source) -> Iterator[str]:
    for part in _leaves(message, source):
        if _is_text(part):
            text = decode_declared(_bytes(part), part.get_content_charset())
            html = part.get_content_type() == "text/html"
            yield html_words(text, source.label) if html else text.replace("\r\n", "\n")


def _is_unseen(part: Message) -> bool:
    """Return whether a part is a signature, or the style or script of a web page, which nobody reads."""
    kind = part.get_content_type()
    return kind in _SIGNATURES or (kind in _PAGE_FILES and part.get_content_disposition() != "attachment")


def _is_encrypted(part: Message) -> bool:
    kind = part.get_content_type()
    sealed = str(part.get_param("smime-type", "enveloped-data")).lower() == "enveloped-data"
    return kind == "multipart/encrypted" or (kind.endswith("pkcs7-mime") and sealed)


def _bytes(part: Message) -> bytes:
    """Return the content of a part; of a message inside a message, that message."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return b"".join(inner.as_bytes() for inner in payload if isinstance(inner, Message))
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _given(part: Message) -> str:
    """Return the file name that a part gives itself, without folders."""
    name = part.get_filename() or ""
    with contextlib.suppress(ValueError, email.errors.HeaderParseError):
        name = _words(name)
    return posixpath.basename(clean(name.encode("utf-8", "replace").decode()).replace("\\", "/"))


def _attachments(message: Message, source: Source) -> dict[str, Message]:
    """Return the files in a message by a name that each has for itself."""
    found: dict[str, Message] = {}
    for number, part in enumerate(_leaves(message, source), 1):
        if _is_text(part) or part.get_content_maintype() == "multipart" or _is_unseen(part):
            continue
        place = posixpath.basename(str(part.get("Content-Location", "")).partition("?")[0])
        suffix = (
            ".eml"
            if part.get_content_type() == "message/rfc822"
            else mimetypes.guess_extension(part.get_content_type())
        )
        name = _given(part) or clean(place) or f"part-{number}{suffix or ''}"
        found[name if name not in found else f"{number}-{name}"] = part
        source.policy.check_parts(source.label, len(found))
    return found


def _open(message: Message, name: str, source: Source) -> BinaryIO:
    part = _attachments(message, source).get(name)
    if part is None:
        raise no_part(source, name)
    data = _bytes(part)
    source.policy.check_bytes(source.label, len(data))
    return io.BytesIO(data)
