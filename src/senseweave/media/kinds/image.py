"""Images: any image file or decoded image as an upright RGB image."""

from __future__ import annotations

import io
from functools import cached_property
from typing import TYPE_CHECKING

from senseweave.errors import MediaError, PolicyError
from senseweave.extras import reading, require_reader
from senseweave.media.base import Media
from senseweave.media.forms.content import Content
from senseweave.media.forms.objects import DecodedSource
from senseweave.media.forms.source import Source
from senseweave.media.modality import Modality
from senseweave.media.policy import MediaPolicy
from senseweave.media.reading.in_flight import claim_pixels
from senseweave.media.reading.jpeg import completed, count_scans, decode_jpeg, scaled_step
from senseweave.media.reading.photos import READERS as PHOTO_READERS
from senseweave.media.reading.photos import open_photo
from senseweave.media.reading.pixels import ORIENTATION, array_to_image, upright_rgb
from senseweave.media.reading.tiff import tiff_pages

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MAX_JPEG_SCANS = 100
"""A progressive JPEG has about ten scans; one with thousands takes minutes to decode."""


class Image(Media):
    """An image: a file of any common format, a page of a PDF, a PIL image, or an array.

    Args:
        value: A path, URL, data URI, bytes, binary file object, PIL image, or an array or tensor of shape (h, w),
            (h, w, c) or (c, h, w).
        page: Which page of a document, from 1.
        part: Which picture inside a document or archive, for example `word/media/image1.png`.
        metadata: The user's own flat values.
        policy: What may be read.
    """

    modality: Modality = "image"  # type: ignore[misc]

    def decode(self, *, at_least: tuple[int, int] | None = None) -> PILImage:
        """Return the image upright, in mode RGB; of an animation, the first frame.

        Args:
            at_least: Minimum `(width, height)`. A JPEG may then be decoded at 1/2, 1/4 or 1/8 of its size, which is
                faster and changes its pixels; None decodes at full size.

        Raises:
            MediaError: If the content is not an image, is truncated (a JPEG: by more than half), or is larger than the
                policy allows.
        """
        if isinstance(self._source, DecodedSource):
            return _from_object(self._source, self.policy)
        content = self._content()
        if content.is_document:
            from senseweave.media.documents import document_reader

            with reading(self.source):
                return document_reader(content, self.source).page_image(self._source, self.page)
        data = self._source.read()
        # The page of a picture inside a document is the page that shows it, unless it has pages of its own.
        if self.page is not None and (self.part_name is None or content.reader == "TIFF"):
            return self._page_image(data, content, self.page)
        try:
            return decode_image(data, content, self.policy, self._source, at_least=at_least)
        except _CutError:
            mended = completed(data)
            if mended is None:
                raise
            image = decode_image(mended[0], content, self.policy, self._source)
            self._source.note(mended[1])
            return image

    def page_count(self) -> int:
        """Return the number of pages of a TIFF or of a document; 1 for any other image.

        Raises:
            MediaError: If it cannot be read, or has more pages than the policy allows.
        """
        if isinstance(self._source, DecodedSource):
            return 1
        content = self._content()
        if content.is_document:
            from senseweave.media.documents import document_reader

            return document_reader(content, self.source).page_count(self._source) or 1
        if content.reader != "TIFF":
            return 1
        with _open_image(self._source.read(), content, self.policy, self._source) as image:
            return len(self._tiff_pages(image))

    def _tiff_pages(self, image: PILImage) -> list[int]:
        pages = tiff_pages(image, self.policy.max_pages)
        if len(pages) > self.policy.max_pages:
            limit = f"the policy allows {self.policy.max_pages:,} (max_pages)"
            raise PolicyError(self.source, f"has more than {self.policy.max_pages:,} pages; {limit}")
        return pages

    def _page_image(self, data: bytes, content: Content, page: int) -> PILImage:
        with _open_image(data, content, self.policy, self._source) as image:
            pages = self._tiff_pages(image) if content.reader == "TIFF" else [0]
            if page > len(pages):
                raise MediaError(self.source, f"has no page {page}; it has {len(pages)}")
            try:
                image.seek(pages[page - 1])
                self.policy.check_pixels(self._source, *image.size)
                claim_pixels(image.width * image.height)
                image.load()
                upright = upright_rgb(image, self._source)
                return upright.copy() if upright is image else upright
            except MediaError:
                raise
            except Exception as error:
                raise MediaError(self.source, f"page {page} is broken ({error})") from error

    @cached_property
    def frame_count(self) -> int:
        """Number of frames in the file; `decode` returns the first frame of an animation.

        Raises:
            MediaError: If the content is not an image.
        """
        if isinstance(self._source, DecodedSource) or self._content().is_document:
            return 1
        with _open_image(self._source.read(), self._content(), self.policy, self._source) as image:
            return int(getattr(image, "n_frames", 1))


def decode_image(
    data: bytes, content: Content, policy: MediaPolicy, source: Source, *, at_least: tuple[int, int] | None = None
) -> PILImage:
    """Decode the bytes of an image file.

    JPEG is decoded by simplejpeg if it is installed, returns the same pixels as Pillow here, and is faster.

    Raises:
        MediaError: If the file is broken or larger than the policy allows.
    """
    with _open_image(data, content, policy, source) as image:
        try:
            if content.reader == "JPEG":
                _check_scans(data, source)
                if at_least is not None and image.getexif().get(ORIENTATION, 1) >= 5:  # stored on its side
                    at_least = at_least[1], at_least[0]
                step = scaled_step(image.size, at_least)
                claim_pixels(image.width * image.height // step**2)
                fast = decode_jpeg(data, image, step)
                if fast is not None:
                    image = fast
                elif at_least is not None:
                    image.draft("RGB", at_least)
            else:
                claim_pixels(image.width * image.height)
            image.load()
            policy.check_pixels(source, *image.size)
            return upright_rgb(image, source)
        except MediaError:
            raise
        except Exception as error:  # plugins raise OSError, SyntaxError, ValueError, struct.error, IndexError ...
            cut = content.reader == "JPEG" and "truncated" in str(error)
            raise (_CutError if cut else MediaError)(
                source, f"is a broken {content.mime_type} file ({error})"
            ) from error


class _CutError(MediaError):
    """A JPEG whose end is missing."""


def _open_image(data: bytes, content: Content, policy: MediaPolicy, source: Source) -> PILImage:
    """Open an image with the plugin that the content names, and check the size in its header."""
    from PIL import Image as PILImage
    from PIL import UnidentifiedImageError

    if content.reader in PHOTO_READERS:
        return open_photo(data, content, policy, source.label)
    if content.reader == "HEIF":
        library = require_reader("pillow_heif", extra="heic", feature="reading HEIC images", source=source.label)
        library.register_heif_opener()
    try:
        image = PILImage.open(io.BytesIO(data), formats=[content.reader])
    except PILImage.DecompressionBombError as error:
        reason = f"has too many pixels; the policy allows {policy.max_pixels:,} (max_pixels); Pillow: {error}"
        raise PolicyError(source, reason) from error
    except UnidentifiedImageError as error:
        raise MediaError(source, f"is a broken {content.mime_type} file (invalid header)") from error
    except Exception as error:
        raise MediaError(source, f"is a broken {content.mime_type} file ({error})") from error
    try:
        policy.check_pixels(source, *image.size)
    except MediaError:
        image.close()
        raise
    return image


def _check_scans(data: bytes, source: Source) -> None:
    scans = count_scans(data)
    if scans > MAX_JPEG_SCANS:
        limit = f"at most {MAX_JPEG_SCANS} are allowed"
        raise MediaError(source, f"is a JPEG of {scans:,} scans or segments, crafted to decode slowly; {limit}")


def _from_object(source: DecodedSource, policy: MediaPolicy) -> PILImage:
    from PIL import Image as PILImage

    value = source.value
    if isinstance(value, PILImage.Image):
        policy.check_pixels(source.name, *value.size)
        try:
            upright = upright_rgb(value, source.name)
            return upright.copy() if upright is value else upright
        except MediaError:
            raise
        except Exception as error:
            raise MediaError(source.name, f"cannot be decoded ({error})") from error
    image = array_to_image(value, source.name)
    policy.check_pixels(source.name, *image.size)
    return image
