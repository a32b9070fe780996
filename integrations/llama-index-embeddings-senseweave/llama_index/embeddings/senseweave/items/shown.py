"""Nodes whose text for language models is marked as data and names files without their folder."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.llms.types import TextBlock
from llama_index.core.bridge.pydantic import BaseModel, PrivateAttr
from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, Node, TextNode
from llama_index.embeddings.senseweave.items.whole import WholeNode

from senseweave.interop import FILE_PATH, data_label, data_marks, data_text, source_label

MATCHED_WORDS = "matched_words"
"""In the metadata of a result: the words of the question that are written in it."""


class _Shown(BaseModel):
    """What a node shows to language models alone; everything else is as in the class beside it."""

    _mark_data: bool = PrivateAttr(default=True)
    _full_paths: bool = PrivateAttr(default=False)

    @property
    def hash(self: Any) -> str:
        """The hash of the content and metadata, whatever question found the node: fusion retrievers compare it."""
        if MATCHED_WORDS not in self.metadata:
            return str(super().hash)  # type: ignore[misc]
        metadata = {name: value for name, value in self.metadata.items() if name != MATCHED_WORDS}
        return str(self.model_copy(update={"metadata": metadata}).hash)

    def get_metadata_str(self: Any, mode: MetadataMode = MetadataMode.ALL) -> str:
        """Return the metadata as lines; for language models, the source by its name or its path."""
        if mode != MetadataMode.LLM:
            return str(super().get_metadata_str(mode))  # type: ignore[misc]
        hidden = {*self.excluded_llm_metadata_keys, FILE_PATH} - {"source"}
        shown = {name: str(value) for name, value in self.metadata.items() if name not in hidden}
        if "source" in shown and not self._full_paths:
            shown["source"] = source_label(shown["source"])
        lines = (self.metadata_template.format(key=key, value=data_label(value)) for key, value in shown.items())
        return str(self.metadata_separator.join(lines))

    def get_content(self: Any, metadata_mode: MetadataMode = MetadataMode.NONE) -> str:
        """Return the node's text; for language models, between two marks that it cannot forge."""
        text = str(super().get_content(metadata_mode))  # type: ignore[misc]
        if metadata_mode != MetadataMode.LLM or not self._mark_data:
            return text
        text = data_text(text)
        before, after = data_marks([text], self._content_hash())
        return f"{before}\n{text}\n{after}"

    def get_content_blocks(self: Any, metadata_mode: MetadataMode = MetadataMode.NONE) -> list[Any]:
        """Return the node's blocks; for language models, between two marks that they cannot forge."""
        blocks = list(super().get_content_blocks(metadata_mode))  # type: ignore[misc]
        if metadata_mode != MetadataMode.LLM or not self._mark_data:
            return blocks
        blocks = [TextBlock(text=data_text(block.text)) if isinstance(block, TextBlock) else block for block in blocks]
        texts = [block.text for block in blocks if isinstance(block, TextBlock)]
        before, after = data_marks(texts, self._content_hash())
        return [TextBlock(text=before), *blocks, TextBlock(text=after)]

    def _content_hash(self: Any) -> list[bytes]:
        return [str(self.metadata.get("sha256", "")).encode()]


class ShownNode(_Shown, WholeNode):
    """A node of media."""

    @property
    def hash(self) -> str:
        """The hash of the node as LlamaIndex's own retrievers give it, so that fusion retrievers see that it is one."""
        values = {name: getattr(self, name) for name in Node.model_fields}
        values["metadata"] = {name: value for name, value in self.metadata.items() if name != MATCHED_WORDS}
        return Node(**values).hash


class ShownTextNode(_Shown, TextNode):
    """A node of text."""


class ShownImageNode(_Shown, ImageNode):
    """A node of LlamaIndex's older class for images."""


_CLASSES: dict[type[BaseNode], type[_Shown]] = {
    Node: ShownNode,
    WholeNode: ShownNode,
    TextNode: ShownTextNode,
    ImageNode: ShownImageNode,
}


def shown_node(node: BaseNode, *, mark_data: bool = True, full_paths: bool = False) -> BaseNode:
    """Return a node as language models should be shown it; to embedding models and stores it is the same node.

    Args:
        node: Any node; of other classes than LlamaIndex's own for text and media, it comes back as it is.
        mark_data: Whether its text stands between marks that it cannot forge, after a notice that it is data.
        full_paths: Whether it names the whole path of its source rather than the file.
    """
    shown = _CLASSES.get(type(node))
    if shown is None:
        return node
    values = {name: getattr(node, name) for name in type(node).model_fields}
    made: Any = shown.model_construct(node.model_fields_set, **values)
    made._mark_data, made._full_paths = mark_data, full_paths
    return made  # type: ignore[no-any-return]
