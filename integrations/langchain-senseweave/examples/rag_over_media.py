"""RAG over text, images and speech with LCEL and Chroma: one question, sources of any kind, media shown to the model.

    python examples/rag_over_media.py
    python examples/rag_over_media.py "When is the library closed?"

Runs offline with a model that only quotes; put a provider's multimodal chat model in its place for real answers.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnablePassthrough

from langchain_senseweave import SenseweaveChroma, SenseweaveEmbeddings, SenseweaveRetriever, multimodal_prompt
from senseweave.demo.corpus import corpus_folder

sys.path.insert(0, str(Path(__file__).parent))
from offline_models import QuotingChatModel

QUESTIONS = ("On which day is the library closed?", "Which bridge will be closed for repairs?", "a cup of coffee")


def main(arguments: Sequence[str] | None = None) -> None:
    """Index the sample corpus, and answer questions from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    parser.add_argument("--model", default="starter", help="any name that senseweave.load takes")
    given = parser.parse_args(arguments)

    corpus = corpus_folder()
    with tempfile.TemporaryDirectory() as folder:
        store = SenseweaveChroma("corpus", SenseweaveEmbeddings(model=given.model), persist_directory=folder)
        store.add_media([corpus / kind for kind in ("texts", "images", "audio")])
        retriever = SenseweaveRetriever(vector_stores=[store], k=3)

        answer = multimodal_prompt() | QuotingChatModel() | StrOutputParser()
        chain = {"documents": retriever, "question": RunnablePassthrough()} | RunnablePassthrough.assign(answer=answer)
        for question in given.questions:
            result = chain.invoke(question)
            print(f"\n{question}\n  {result['answer']}")
            for number, document in enumerate(result["documents"], start=1):
                name = Path(document.metadata["source"]).name
                span = f" from {document.metadata['start']:.1f} s" if "start" in document.metadata else ""
                print(f"  [{number}] {document.metadata['score']:6.2f}  {name}{span}")


if __name__ == "__main__":
    main()
