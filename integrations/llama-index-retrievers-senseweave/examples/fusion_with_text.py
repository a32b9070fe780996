"""QueryFusionRetriever over a retriever of media and LlamaIndex's own retriever of text.

    python fusion_with_text.py FOLDER "a question"

Runs offline on the embedded starter model.
"""

from __future__ import annotations

import sys
from pathlib import Path

from llama_index.core import SimpleDirectoryReader, VectorStoreIndex
from llama_index.core.llms.mock import MockLLM
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import NodeWithScore
from llama_index.embeddings.senseweave import MediaReader, SenseweaveEmbedding
from llama_index.retrievers.senseweave import SenseweaveRetriever


def main(folder: Path, question: str) -> list[NodeWithScore]:
    """Retrieve text by one retriever and media by another, and fuse their rankings."""
    embed_model = SenseweaveEmbedding()
    documents = SimpleDirectoryReader(str(folder), required_exts=[".txt", ".md"], recursive=True).load_data()
    text = VectorStoreIndex.from_documents(documents, embed_model=embed_model).as_retriever(similarity_top_k=3)
    reader = MediaReader(embed_model=embed_model, modalities=("image", "audio", "video"))
    media = SenseweaveRetriever.from_nodes(reader.load_data(folder), embed_model, similarity_top_k=3)
    fusion = QueryFusionRetriever(
        [text, media],
        llm=MockLLM(),  # not asked: one query in all
        num_queries=1,
        mode=FUSION_MODES.RECIPROCAL_RANK,
        similarity_top_k=4,
        use_async=False,
    )
    found = fusion.retrieve(question)
    for hit in found:
        name = hit.node.metadata.get("file_path") or hit.node.metadata["source"]
        print(f"{hit.score:.4f}  {hit.node.metadata.get('modality', 'text'):5}  {name}")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
