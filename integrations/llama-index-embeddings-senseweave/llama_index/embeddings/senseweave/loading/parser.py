"""A step before embedding that puts chunks in the place of files, splits text and keeps media whole."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

from llama_index.core.bridge.pydantic import Field, SerializeAsAny
from llama_index.core.node_parser import NodeParser, SentenceSplitter
from llama_index.core.schema import BaseNode, TransformComponent
from llama_index.embeddings.senseweave.items.files import divide_files
from llama_index.embeddings.senseweave.items.nodes import is_whole


class MediaNodeParser(TransformComponent):
    """Makes nodes of the chunks of files that `MediaReader` read, and splits other documents by a parser of LlamaIndex.

    The nodes of a file name it as their source document. LlamaIndex's own parsers refuse files and media ("Unknown
    document type"), or drop the media of documents. Put it before metadata extractors; an embedding model of this
    package makes nodes of files by itself.

    Examples:
        ```python
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.embeddings.senseweave import MediaNodeParser

        pipeline = IngestionPipeline(transformations=[MediaNodeParser(), embed_model])
        ```
    """

    text_parser: SerializeAsAny[NodeParser] = Field(
        default_factory=SentenceSplitter, description="The parser that splits documents of text."
    )

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex serializes the class."""
        return "SenseweaveMediaNodeParser"

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a pickle builds the parser again.

        The default parser of text is made anew: its tokenizer is pickled by name, and without a network a process that
        reads the pickle fails to fetch it; the pool of `IngestionPipeline.run(num_workers=...)` then waits forever.
        """
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        is_given = "text_parser" in self.model_fields_set
        if not is_given and self.text_parser.to_dict() == SentenceSplitter().to_dict():
            del fields["text_parser"]
        return partial(type(self), **fields), ()

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Return the nodes in order, files in chunks and text in passages.

        Args:
            nodes: Files, documents and nodes of any kind.
            **kwargs: What LlamaIndex passes to every transformation, for the parser of text.
        """
        runs = [run if whole else self.text_parser(run, **kwargs) for whole, run in _runs(nodes)]
        return [node for run in runs for node in run]

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Parse nodes like a call of the parser; its parser of text runs asynchronously."""
        runs = [run if whole else await self.text_parser.acall(run, **kwargs) for whole, run in _runs(nodes)]
        return [node for run in runs for node in run]


def _runs(nodes: Sequence[BaseNode]) -> list[tuple[bool, list[BaseNode]]]:
    """Return runs of nodes that stay whole and of nodes that do not, in order."""
    return [(whole, list(run)) for whole, run in groupby(divide_files(nodes), is_whole)]
