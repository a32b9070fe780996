"""Question answering over text, images and recordings: the language model is sent the media themselves.

    python multimodal_rag.py FOLDER "a question"

Runs offline on the embedded starter model. In place of a language model stands one that only says what it was sent;
`RetrieverQueryEngine` takes any chat model that sees and hears.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever
from llama_index.vector_stores.chroma import ChromaVectorStore


def tell_what_came(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
    """Answer as a chat model would, with the kinds of content that the question came with."""
    kinds = Counter(block.block_type for message in messages for block in message.blocks)
    return ChatMessage(role="assistant", content=", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))


def main(folder: Path, question: str, place: Path) -> RESPONSE_TYPE:
    """Index a folder in Chroma and answer a question from what fits best in every modality."""
    embed_model = SenseweaveEmbedding()
    client = chromadb.PersistentClient(str(place))
    collection = client.get_or_create_collection("media", configuration={"hnsw": {"space": "cosine"}})
    store = ChromaVectorStore(chroma_collection=collection)
    nodes = embed_model(MediaReader(embed_model=embed_model).load_data(folder))
    VectorStoreIndex(
        list(nodes), embed_model=embed_model, storage_context=StorageContext.from_defaults(vector_store=store)
    )

    retriever = SenseweaveRetriever(store, embed_model, similarity_top_k=3)
    llm = MockFunctionCallingLLM(response_generator=tell_what_came, is_chat_model=True)
    engine = RetrieverQueryEngine.from_args(retriever, llm=llm, multimodal=True)
    answer = engine.query(question)
    print(f"answer: {answer}")
    for hit in answer.source_nodes:
        place_in_source = hit.node.metadata.get("start", "")
        print(f"{hit.score:6.2f}  {hit.node.metadata['modality']:5}  {hit.node.metadata['source']}  {place_in_source}")
    return answer


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1]), sys.argv[2], Path(temporary))
