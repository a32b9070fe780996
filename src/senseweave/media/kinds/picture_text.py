"""The words in a picture, such as a screenshot, a sign or a scanned page, as text beside the picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Literal

from senseweave.arguments import check_choice
from senseweave.errors import MediaError
from senseweave.media.base import Media
from senseweave.media.documents.scans import INSTALL
from senseweave.media.kinds.image import Image
from senseweave.media.kinds.text import Text
from senseweave.media.reading.lettering import SIDES, looks_written
from senseweave.media.reading.ocr import is_installed, line_reader

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

Ocr = Literal["auto", "on", "off"]
"""Which pictures OCR reads: `auto` those that look as if they held writing, `on` all, `off` none."""
OCR_CHOICES: Final = ("auto", "on", "off")
LEAST_SCORE: Final = 0.8
"""Lines of which OCR is less sure are left out: but for a digit, what it made up in default_scene/picture_text.py."""
LEAST_LETTERS: Final = 2
"""Letters and digits of a line; single letters are what OCR makes of lamps, wheels and branches."""


class PictureReading:
    """How the pictures of one call are read.

    Args:
        ocr: Which pictures are read.

    Raises:
        ValueError: If `ocr` is none of the choices.
    """

    def __init__(self, ocr: Ocr) -> None:
        check_choice("ocr", ocr, OCR_CHOICES)
        self.ocr = ocr
        self._is_noted = False

    def chooses(self, picture: Image) -> bool:
        """Return whether a picture is read; where OCR is missing none is, and the first that should be has a note."""
        if not is_installed():
            if not self._is_noted and looks_written(_small(picture)):
                picture._source.note(f"looks as if it held writing; to read the words in pictures: {INSTALL}")
                self._is_noted = True
            return False
        return self.ocr == "on" or looks_written(_small(picture))


class PictureText(Text):
    """The words in a picture, read when they are first needed; there may be none.

    Attributes:
        picture: The picture.
        was_read: Whether OCR read it, and not merely found that it does not look written; None if neither is known.
        failed: Whether OCR failed, or stopped in the middle.
    """

    def __init__(self, picture: Image, reading: PictureReading) -> None:
        """Take the words of a picture, to be read as the other pictures of a call are."""
        Media.__init__(self, picture._source, page=picture.page, metadata=picture.metadata, policy=picture.policy)
        self.picture = picture
        self.was_read: bool | None = None
        self.failed = False
        self._reading = reading
        self._words: str | None = None

    @property
    def is_scan(self) -> bool:
        """True: OCR reads the words, and may find none."""
        return True

    @property
    def ocr(self) -> Ocr:
        """Which pictures the call reads."""
        return self._reading.ocr

    def remember_words(self, words: str) -> None:
        """Take what OCR read in this picture before, so that it is not read again."""
        self._words = words

    def decode(self) -> str:
        """Return the lines of writing in the picture, from top to bottom; an empty string if there are none.

        Where OCR fails the picture has a note, and is still a picture.
        """
        if self._words is None:
            try:
                self._words = self._read()
            except MediaError:  # raised again when the picture itself is decoded
                self._words, self.failed = "", True
        return self._words

    def _read(self) -> str:
        source = self._source
        if not self._reading.chooses(self.picture):
            self.was_read = False if is_installed() else None
            return ""
        image = self.picture.decode()
        try:
            lines, complete = line_reader().lines(image, source.policy.decode_timeout, LEAST_SCORE)
        except Exception as error:  # of whatever the engine and its runtime raise; the picture is still a picture
            source.note(f"OCR failed ({error})")
            self.failed = True
            return ""
        if complete:
            self.was_read = True
        else:
            self.failed = True
            source.note(f"the words were read in part; the policy allows {source.policy.decode_timeout:g} s")
        return "\n".join(line for line in lines if sum(map(str.isalnum, line)) >= LEAST_LETTERS)


def with_words(media: Iterable[Media | MediaError], reading: PictureReading) -> Iterator[Media | MediaError]:
    """Yield media, and after each picture its words; pages of documents have theirs already."""
    for found in media:
        yield found
        if isinstance(found, Image) and not _is_page(found):
            yield PictureText(found, reading)


def _is_page(picture: Image) -> bool:
    try:
        return picture._source.content.is_document
    except MediaError:  # raised again when the picture itself is read
        return True


def _small(picture: Image) -> PILImage:
    """Return a picture at no less than the size at which writing is looked for."""
    return picture.decode(at_least=(SIDES[0], SIDES[0]))
