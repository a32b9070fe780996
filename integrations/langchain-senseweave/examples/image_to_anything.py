"""Ask with a photograph: which texts, photographs and recordings go with it?

    python examples/image_to_anything.py
    python examples/image_to_anything.py my-photo.jpg

Runs offline.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever
from senseweave.demo.corpus import corpus_folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Index the sample corpus, and search it by an image, one modality after the other."""
    corpus = corpus_folder()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", nargs="?", default=str(corpus / "images" / "photo-01.jpg"))
    parser.add_argument("--model", default="starter", help="any name that senseweave.load takes")
    given = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        store = SenseweaveChroma("corpus", SenseweaveEmbeddings(model=given.model), persist_directory=folder)
        store.add_media([corpus / kind for kind in ("texts", "images", "audio")])
        retriever = SenseweaveRetriever(vector_stores=[store], k=3)
        for modality in ("text", "image", "audio"):
            print(f"\n{modality}")
            for document in retriever.retrieve_by_image(given.image, modalities=[modality]):
                text = " ".join(document.page_content.split())[:60]
                print(f"  {document.metadata['raw_score']:5.2f}  {Path(document.metadata['source']).name:20} {text}")


if __name__ == "__main__":
    main()
