"""Question answering over text, images, speech and video with Haystack and Chroma; runs offline.

    python examples/haystack_rag.py
    python examples/haystack_rag.py --question "When is the polar bear fed?" --llm gpt-5-mini

Without --llm a tiny model answers from the best hit alone; with --llm an OpenAI model sees the media themselves.
"""

import argparse
import tempfile

from haystack import Document, Pipeline, component
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

from senseweave.demo.chat import OfflineChat
from senseweave.demo.corpus import corpus_folder

QUESTIONS = (
    "When is the polar bear at the zoo fed?",
    "How do honey bees show each other the way to flowers?",
    "When does the choir sing at Christmas?",
    "a cup of coffee",
)
MODALITIES = ["text", "image", "audio", "video"]


@component
class OfflineGenerator:
    """The offline model as a Haystack chat generator."""

    def __init__(self) -> None:
        self.chat = OfflineChat()

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage]) -> dict[str, list[ChatMessage]]:
        """Answer messages by their text alone."""
        plain = [{"role": message.role.value, "content": "\n".join(message.texts)} for message in messages]
        return {"replies": [ChatMessage.from_assistant(self.chat.reply(plain))]}


def indexing(store: ChromaDocumentStore) -> Pipeline:
    """From files to documents with vectors in the store."""
    pipeline = Pipeline()
    pipeline.add_component("convert", MediaToDocument(describe_with="starter"))
    pipeline.add_component("embed", SenseweaveDocumentEmbedder())
    pipeline.add_component("write", DocumentWriter(document_store=store, policy=DuplicatePolicy.SKIP))
    pipeline.connect("convert.documents", "embed.documents")
    pipeline.connect("embed.documents", "write.documents")
    return pipeline


def answering(store: ChromaDocumentStore, llm: str | None) -> Pipeline:
    """From a question to an answer, over one ranking of all modalities."""
    by_vector = {"corpus": SenseweaveChromaRetriever(document_store=store)}
    pipeline = Pipeline()
    pipeline.add_component(
        "retrieve", SenseweaveMultimodalRetriever(retrievers=by_vector, modalities=MODALITIES, top_k=3)
    )
    if llm:
        from haystack.components.generators.chat import OpenAIChatGenerator

        pipeline.add_component("prompt", MultimodalPromptBuilder(modalities=["text", "image"]))
        pipeline.add_component("answer", OpenAIChatGenerator(model=llm))
    else:
        # The best document's text is enough: more, and marks around it, would only confuse the offline model.
        prompt = MultimodalPromptBuilder(modalities=["text"], max_documents=1, mark_data=False)
        pipeline.add_component("prompt", prompt)
        pipeline.add_component("answer", OfflineGenerator())
    pipeline.connect("retrieve.documents", "prompt.documents")
    pipeline.connect("prompt.prompt", "answer.messages")
    return pipeline


def source_line(document: Document) -> str:
    """Where a document comes from: `audio recording-05.m4a 12.6-22.7 s`."""
    facts = document.meta
    span = f" {facts['start']:.1f}-{facts['end']:.1f} s" if "start" in facts else ""
    return f"{facts['modality']} {facts['file_path'].rpartition('/')[2]}{span}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--question", action="append", help="may be repeated; a few of our own if left out")
    parser.add_argument("--llm", help="an OpenAI model, for example gpt-5-mini")
    arguments = parser.parse_args()

    corpus = corpus_folder()
    with tempfile.TemporaryDirectory() as folder:
        store = ChromaDocumentStore(collection_name="sample-corpus", persist_path=folder, distance_function="cosine")
        indexing(store).run(
            {"convert": {"sources": [str(corpus / f"{name}") for name in ("texts", "images", "audio", "video")]}}
        )
        pipeline = answering(store, arguments.llm)
        for question in arguments.question or QUESTIONS:
            inputs = {"retrieve": {"query": question}, "prompt": {"query": question}}
            result = pipeline.run(inputs, include_outputs_from={"retrieve"})
            print(f"question  {question}\nanswer    {result['answer']['replies'][0].text}")
            for number, document in enumerate(result["retrieve"]["documents"], start=1):
                print(f"source {number}  {source_line(document)}")
            print()


if __name__ == "__main__":
    main()
