"""Lets an index embed media nodes though it asks for the vectors of strings alone.

`VectorStoreIndex` passes `node.get_content()` to its embedding model, which for a media node is its metadata: without
more, the vector of a file's name would be stored in the place of a picture's. The text of nodes made by `media_node`
therefore remembers its node. Equal strings from anywhere else are text.
"""

from __future__ import annotations

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
        return str, (str(self),)  # a node that was pickled is made anew, as from a store

    def __deepcopy__(self, memo: object) -> MediaText:
        return self

    def strip(self, characters: str | None = None, /) -> MediaText:
        """Like `str.strip`, which `Node.get_content` ends with; the result still remembers the node."""
        return MediaText(super().strip(characters), self.node)


class MediaTemplate(MediaText):
    """A text template whose results remember the node that it belongs to."""

    __slots__ = ()

    def format(self, *values: object, **named: object) -> MediaText:
        """Like `str.format`."""
        return MediaText(super().format(*values, **named), self.node)


def mark(node: BaseNode) -> None:
    """Make the text that a media node shows to indexes remember the node.

    The mark is not stored: a node that comes back from a store is to be embedded by the model as a transformation. A
    copy of the node keeps the mark of the original.
    """
    # Past pydantic, which would make a plain string of it.
    node.__dict__["text_template"] = MediaTemplate(node.__dict__["text_template"], node)
