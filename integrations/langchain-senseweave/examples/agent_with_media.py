"""An agent that searches photographs and texts with a tool, and is shown what it found as content blocks.

    python examples/agent_with_media.py
    python examples/agent_with_media.py "When does the choir sing at Christmas?"

Runs offline with a model that only quotes. The loop below is all that an agent is; with `pip install langchain`,
`langchain.agents.create_agent(model, [tool])` takes the same tool.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import BaseTool

from langchain_senseweave import (
    SenseweaveChroma,
    SenseweaveEmbeddings,
    SenseweaveRetriever,
    create_media_retriever_tool,
)
from senseweave.demo.corpus import corpus_folder

sys.path.insert(0, str(Path(__file__).parent))
from offline_models import QuotingChatModel


def run_agent(model: BaseChatModel, tool: BaseTool, question: str) -> list[BaseMessage]:
    """Let the model call the tool until it answers."""
    bound = model.bind_tools([tool])
    messages: list[BaseMessage] = [HumanMessage(question)]
    while True:
        reply = bound.invoke(messages)
        messages.append(reply)
        if not reply.tool_calls:
            return messages
        messages += [tool.invoke(call) for call in reply.tool_calls]


def main(arguments: Sequence[str] | None = None) -> None:
    """Index texts and photographs, and let an agent answer a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", default="How do I remove lime from a kettle?")
    parser.add_argument("--model", default="starter", help="any name that senseweave.load takes")
    given = parser.parse_args(arguments)

    corpus = corpus_folder()
    with tempfile.TemporaryDirectory() as folder:
        store = SenseweaveChroma("corpus", SenseweaveEmbeddings(model=given.model), persist_directory=folder)
        store.add_media([corpus / "texts", corpus / "images"])
        tool = create_media_retriever_tool(
            SenseweaveRetriever(vector_stores=[store], k=4),
            "search_media",
            "Searches notes and photographs for what is asked, and shows them.",
        )
        for message in run_agent(QuotingChatModel(), tool, given.question):
            calls = [f"calls {call['name']}({call['args']})" for call in getattr(message, "tool_calls", [])]
            kinds = [block["type"] for block in message.content_blocks if block["type"] != "tool_call"]
            said = message.text if message.type != "tool" else f"{len(message.artifact)} documents as {kinds}"
            print(f"{message.type:6} {' '.join(calls) or said}")


if __name__ == "__main__":
    main()
