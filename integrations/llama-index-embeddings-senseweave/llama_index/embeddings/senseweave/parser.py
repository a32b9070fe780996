"""A step before embedding that splits text and keeps media whole, for pipelines that are given both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from llama_index.core.bridge.pydantic import Field, SerializeAsAny
from llama_index.core.node_parser import NodeParser, SentenceSplitter
from llama_index.core.schema import BaseNode, TransformComponent
from llama_index.embeddings.senseweave.nodes import is_whole


class MediaNodeParser(TransformComponent):
    """Splits documents of text with any of LlamaIndex's parsers, and passes on media and what `MediaReader` made.

    LlamaIndex's own parsers refuse such nodes ("Unknown document type"), or drop the media of documents.

    Examples:
        ```python
        from llama_index.core.ingestion import IngestionPipeline
        from llama_index.embeddings.senseweave import MediaNodeParser

        pipeline = IngestionPipeline(transformations=[MediaNodeParser(), embed_model])
        ```
    """

    text_parser: SerializeAsAny[NodeParser] = Field(
        default_factory=SentenceSplitter, description="What splits documents of text."
    )

    @classmethod
    def class_name(cls) -> str:
        """The name by which LlamaIndex serialises the class."""
        return "SenseweaveMediaNodeParser"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Return the nodes in order, text in passages.

        Args:
            nodes: Documents and nodes of any kind.
            **kwargs: What LlamaIndex passes to every transformation, for the parser of text.
        """
        made: list[BaseNode] = []
        for whole, run in _runs(nodes):
            made += run if whole else self.text_parser(run, **kwargs)
        return made

    async def acall(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Like calling the parser, with what its parser of text does asynchronously."""
        made: list[BaseNode] = []
        for whole, run in _runs(nodes):
            made += run if whole else await self.text_parser.acall(run, **kwargs)
        return made


def _runs(nodes: Sequence[BaseNode]) -> list[tuple[bool, list[BaseNode]]]:
    """Part nodes into runs of those that stay whole and those that do not, in order."""
    return [(whole, list(run)) for whole, run in groupby(nodes, is_whole)]
