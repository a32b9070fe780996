"""Lets an index embed media nodes though it asks for the vectors of strings alone.

`VectorStoreIndex` passes `node.get_content()` to its embedding model, which for a media node is its metadata: without
more, the vector of a file's name would be stored in the place of a picture's. The text of nodes made by `media_node`
therefore remembers the node that gave it. Equal strings from anywhere else are text.
"""

from __future__ import annotations

import sys

from llama_index.core.schema import BaseNode


class MediaText(str):
    """The text of a media node, with the node."""

    __slots__ = ("node",)
    node: BaseNode

    def __new__(cls, text: str, node: BaseNode) -> MediaText:
        """Make `text` remember `node`."""
        made = super().__new__(cls, text)
        made.node = node
        return made

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # elsewhere it is text like any other

    def strip(self, characters: str | None = None, /) -> MediaText:
        """Like `str.strip`, which `Node.get_content` ends with; the result still remembers the node."""
        return MediaText(super().strip(characters), self.node)


class MediaTemplate(str):
    """A text template whose results remember the node that asked for them."""

    __slots__ = ()

    def format(self, *values: object, **named: object) -> str:
        """Like `str.format`; for a node's `get_content`, text that remembers the node."""
        text = super().format(*values, **named)
        # Whoever asks is looked up, not kept: copies of a node share its template, and may be given other media.
        asking = sys._getframe(1).f_locals.get("self")
        return MediaText(text, asking) if isinstance(asking, BaseNode) else text


def mark(node: BaseNode) -> None:
    """Make the text that a media node shows to indexes remember the node, and that of its copies the copies.

    The mark is neither stored nor pickled: a node that comes back from a store or another process is to be embedded by
    the model as a transformation.
    """
    # Past pydantic, which would make a plain string of it.
    node.__dict__["text_template"] = MediaTemplate(node.__dict__["text_template"])
