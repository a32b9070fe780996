"""Question answering over text, images, speech and video with LlamaIndex and Chroma; runs offline.

    python examples/llama_index_rag.py
    python examples/llama_index_rag.py --question "When is the polar bear fed?" --llm gpt-5-mini

Without --llm a tiny model answers from the best hit alone; with --llm an OpenAI model sees the media themselves
(it needs `pip install llama-index-llms-openai`).
"""

import argparse
import tempfile
from typing import Any

import chromadb
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever
from llama_index.vector_stores.chroma import ChromaVectorStore

from senseweave.demo.chat import OfflineChat
from senseweave.demo.corpus import corpus_folder

QUESTIONS = (
    "When is the polar bear at the zoo fed?",
    "How do honey bees show each other the way to flowers?",
    "When does the choir sing at Christmas?",
    "a cup of coffee",
)


class OfflineLLM(CustomLLM):
    """The offline model as a LlamaIndex LLM."""

    offline: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.offline.name, context_window=2048, num_output=self.offline.max_new_tokens)

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text=self.offline.reply([{"role": "user", "content": prompt}]))

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponseGen:
        yield self.complete(prompt)


class BestOnly(BaseNodePostprocessor):
    """Hand on the best node alone: more would only confuse the offline model."""

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        return nodes[:1]


def source_line(node: NodeWithScore) -> str:
    """Where a node comes from: `audio recording-05.m4a 12.6-22.7 s`."""
    facts = node.metadata
    span = f" {facts['start']:.1f}-{facts['end']:.1f} s" if "start" in facts else ""
    return f"{facts['modality']} {facts['source'].rpartition('/')[2]}{span}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--question", action="append", help="may be repeated; a few of our own if left out")
    parser.add_argument("--llm", help="an OpenAI model, for example gpt-5-mini")
    arguments = parser.parse_args()

    corpus = corpus_folder()
    embed_model = SenseweaveEmbedding()
    reader = MediaReader(embed_model=embed_model)
    nodes = []
    for name in ("texts", "images", "audio", "video"):
        nodes += reader.load_data(corpus / name)
    with tempfile.TemporaryDirectory() as folder:
        client = chromadb.PersistentClient(folder)
        collection = client.create_collection("sample-corpus", configuration={"hnsw": {"space": "cosine"}})
        store = ChromaVectorStore(chroma_collection=collection)
        context = StorageContext.from_defaults(vector_store=store)
        VectorStoreIndex(embed_model(nodes), embed_model=embed_model, storage_context=context)
        # Marks that tell data from instructions are for models of a provider; they would only confuse the offline one.
        retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=3, mark_data=bool(arguments.llm))

        if arguments.llm:
            from llama_index.llms.openai import OpenAI

            engine = RetrieverQueryEngine.from_args(retriever, llm=OpenAI(model=arguments.llm), multimodal=True)
        else:
            llm = OfflineLLM(offline=OfflineChat())
            engine = RetrieverQueryEngine.from_args(retriever, llm=llm, node_postprocessors=[BestOnly()])
        for question in arguments.question or QUESTIONS:
            print(f"question  {question}\nanswer    {str(engine.query(question)).strip()}")
            for number, node in enumerate(retriever.retrieve(question), start=1):
                print(f"source {number}  {source_line(node)}")
            print()


if __name__ == "__main__":
    main()
