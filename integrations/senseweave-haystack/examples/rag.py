"""Answers with sources over text, images and recordings: Chroma, a prompt of mixed parts and a chat generator.

python rag.py "When do the swimming lessons start?"
python rag.py "What is on the photograph of a bird?" --llm gpt-5-mini

Without --llm it runs offline: a function stands in for the model and quotes the first source.
"""

import argparse
import re

from haystack import Pipeline
from haystack.components.builders import AnswerBuilder
from haystack.components.generators.chat import MockChatGenerator, OpenAIChatGenerator
from haystack.components.writers import DocumentWriter
from haystack.dataclasses import ChatMessage
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.builders.senseweave import MultimodalPromptBuilder
from haystack_integrations.components.converters.senseweave import MediaToDocument
from haystack_integrations.components.embedders.senseweave import SenseweaveDocumentEmbedder
from haystack_integrations.components.retrievers.senseweave import (
    SenseweaveChromaRetriever,
    SenseweaveMultimodalRetriever,
)
from haystack_integrations.document_stores.chroma import ChromaDocumentStore

from senseweave.demo.corpus import corpus_folder

MODALITIES = ["text", "image", "audio"]


def quote(messages: list[ChatMessage]) -> str:
    """Stand in for a model: repeat what the first source says."""
    _, first, *_ = messages[-1].texts  # a notice that sources are data, and the first source between two marks
    label, _, said = re.sub("</?source-[0-9a-f]+>", "", first).strip().partition(": ")
    return f"{said} {label.partition(' ')[0]}"


def index(store: ChromaDocumentStore, sources: list[str]) -> int:
    """Write the Documents of files and folders into the store."""
    pipeline = Pipeline()
    pipeline.add_component("converter", MediaToDocument(describe_with="starter"))
    pipeline.add_component("embedder", SenseweaveDocumentEmbedder())
    pipeline.add_component("writer", DocumentWriter(store, policy=DuplicatePolicy.SKIP))
    pipeline.connect("converter.documents", "embedder.documents")
    pipeline.connect("embedder.documents", "writer.documents")
    return pipeline.run({"converter": {"sources": sources}})["writer"]["documents_written"]


def rag(store: ChromaDocumentStore, llm: str | None = None) -> Pipeline:
    """A pipeline from a question to an answer with its sources."""
    retrievers = {"corpus": SenseweaveChromaRetriever(document_store=store)}
    pipeline = Pipeline()
    pipeline.add_component(
        "retriever", SenseweaveMultimodalRetriever(retrievers=retrievers, modalities=MODALITIES, top_k=3)
    )
    pipeline.add_component("prompt", MultimodalPromptBuilder(modalities=["text", "image"]))
    pipeline.add_component("llm", OpenAIChatGenerator(model=llm) if llm else MockChatGenerator(response_fn=quote))
    pipeline.add_component("answers", AnswerBuilder(reference_pattern=r"\[(\d+)\]"))
    pipeline.connect("retriever.documents", "prompt.documents")
    pipeline.connect("prompt.prompt", "llm.messages")
    pipeline.connect("llm.replies", "answers.replies")
    pipeline.connect("prompt.documents", "answers.documents")
    return pipeline


def main(arguments: list[str] | None = None) -> None:
    """Index the sample corpus and answer one question."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default="When do the swimming lessons start?")
    parser.add_argument("sources", nargs="*", help="files and folders; the sample corpus if there are none")
    parser.add_argument("--llm", help="a model of OpenAI; offline without")
    given = parser.parse_args(arguments)

    store = ChromaDocumentStore(collection_name="rag", distance_function="cosine")
    index(store, given.sources or [str(corpus_folder() / name) for name in ("texts", "images", "audio")])
    asked = {"query": given.question}
    result = rag(store, given.llm).run({"retriever": asked, "prompt": asked, "answers": asked})
    (answer,) = result["answers"]["answers"]
    print(answer.data)
    for document in answer.documents:
        span = "{start:.1f} to {end:.1f} s".format(**document.meta) if "start" in document.meta else ""
        print("source:", document.meta["modality"], document.meta["file_path"].rpartition("/")[2], span)


if __name__ == "__main__":
    main()
