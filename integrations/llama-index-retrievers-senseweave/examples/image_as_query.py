"""An image, a recording or a video as the query, over a senseweave index.

    python image_as_query.py FOLDER IMAGE

Runs offline on the embedded starter model.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from llama_index.core.schema import NodeWithScore
from llama_index.retrievers.senseweave import MediaQueryBundle, SenseweaveRetriever

import senseweave as sw


def main(folder: Path, image: Path, place: Path) -> list[NodeWithScore]:
    """Index a folder and find what looks like an image, or is about what it shows."""
    with sw.Index(place) as index:
        index.add(folder)
        retriever = SenseweaveRetriever(index=index, similarity_top_k=5)
        found = retriever.retrieve(MediaQueryBundle(image_path=str(image)))
    for hit in found:
        print(f"{hit.score:6.2f}  {hit.node.metadata['modality']:5}  {hit.node.metadata['source']}")
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        main(Path(sys.argv[1]), Path(sys.argv[2]), Path(temporary))
