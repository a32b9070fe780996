"""Question answering over text, images, speech and video with LangChain and Chroma; runs offline.

    python examples/langchain_rag.py
    python examples/langchain_rag.py --question "When is the polar bear fed?" --llm openai:gpt-5-mini

Without --llm a tiny model answers from the best hit alone; with --llm a provider's model sees the media themselves
(it needs `pip install langchain` and the provider's package).
"""

import argparse
import tempfile
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import SimpleChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from langchain_senseweave import (
    MediaLoader,
    SenseweaveChroma,
    SenseweaveEmbeddings,
    SenseweaveRetriever,
    multimodal_prompt,
)
from senseweave.demo.chat import SYSTEM_PROMPT, OfflineChat
from senseweave.demo.corpus import corpus_folder

QUESTIONS = (
    "When is the polar bear at the zoo fed?",
    "How do honey bees show each other the way to flowers?",
    "When does the choir sing at Christmas?",
    "a cup of coffee",
)
ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class OfflineChatModel(SimpleChatModel):
    """The offline model as a LangChain chat model."""

    offline: Any

    @property
    def _llm_type(self) -> str:
        return "senseweave-offline"

    def _call(self, messages: list[BaseMessage], *_: Any, **__: Any) -> str:
        return self.offline.reply([{"role": ROLES[message.type], "content": message.text} for message in messages])


def offline_chain() -> Runnable:
    """The best document's text and the question, to the offline model: more would only confuse it."""
    prompt = ChatPromptTemplate(
        [("system", SYSTEM_PROMPT), ("human", "Passages:\n- {passage}\n\nQuestion: {question}")]
    )
    best = RunnableLambda(lambda x: {"passage": x["documents"][0].page_content, "question": x["question"]})
    return best | prompt | OfflineChatModel(offline=OfflineChat()) | StrOutputParser()


def provider_chain(name: str) -> Runnable:
    """All documents as text, pictures and sound, to a provider's model."""
    from langchain.chat_models import init_chat_model

    return multimodal_prompt() | init_chat_model(name) | StrOutputParser()


def source_line(document: Document) -> str:
    """Where a document comes from: `audio recording-05.m4a 12.6-22.7 s`."""
    facts = document.metadata
    span = f" {facts['start']:.1f}-{facts['end']:.1f} s" if "start" in facts else ""
    return f"{facts['modality']} {facts['source'].rpartition('/')[2]}{span}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--question", action="append", help="may be repeated; a few of our own if left out")
    parser.add_argument("--llm", help="a provider's chat model, for example openai:gpt-5-mini")
    arguments = parser.parse_args()

    corpus = corpus_folder()
    embeddings = SenseweaveEmbeddings()
    loader = MediaLoader([corpus / name for name in ("texts", "images", "audio", "video")], embeddings=embeddings)
    with tempfile.TemporaryDirectory() as folder:
        store = SenseweaveChroma("sample-corpus", embeddings, persist_directory=folder)
        store.add_documents(list(loader.lazy_load()))
        retriever = SenseweaveRetriever(vector_stores=[store], k=3)
        answer = provider_chain(arguments.llm) if arguments.llm else offline_chain()
        chain = {"documents": retriever, "question": RunnablePassthrough()} | RunnablePassthrough.assign(answer=answer)
        for question in arguments.question or QUESTIONS:
            result = chain.invoke(question)
            print(f"question  {question}\nanswer    {result['answer']}")
            for number, document in enumerate(result["documents"], start=1):
                print(f"source {number}  {source_line(document)}")
            print()


if __name__ == "__main__":
    main()
