"""Keep a store in step with a folder that changes: LangChain's `index()` notices new pixels under an old name.

    python examples/incremental_indexing.py

Runs offline.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from langchain_core.indexing import InMemoryRecordManager, index

from langchain_senseweave import MediaLoader, SenseweaveChroma, SenseweaveEmbeddings
from senseweave.demo.corpus import corpus_folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Index a folder, again, and again after each of three changes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="starter", help="any name that senseweave.load takes")
    given = parser.parse_args(arguments)

    corpus = corpus_folder()
    embeddings = SenseweaveEmbeddings(model=given.model)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "media")
        folder.mkdir()
        for name in ("images/photo-01.jpg", "images/photo-02.jpg", "texts/kettle.md"):
            shutil.copy(corpus / name, folder)
        store = SenseweaveChroma("folder", embeddings, persist_directory=str(Path(work, "db")))
        # In a real program a record manager that lasts, such as SQLRecordManager of langchain-classic.
        records = InMemoryRecordManager("folder")
        records.create_schema()

        def update(what: str) -> None:
            # Describing is left to the store, which sees only what is new.
            loader = MediaLoader(folder, embeddings=embeddings, describe=False)
            result = index(loader, records, store, cleanup="full", source_id_key="source", key_encoder="sha256")
            counts = ", ".join(f"{result[f'num_{name}']} {name}" for name in ("added", "skipped", "deleted"))  # type: ignore[literal-required]
            print(f"{what:28} {counts}")

        update("first run")
        update("nothing changed")
        shutil.copy(corpus / "images" / "photo-03.jpg", folder / "photo-01.jpg")
        update("other pixels, same name")
        shutil.copy(corpus / "audio" / "recording-01.wav", folder)
        update("a recording was added")
        (folder / "kettle.md").unlink()
        update("a text was removed")


if __name__ == "__main__":
    main()
