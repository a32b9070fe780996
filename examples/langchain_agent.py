"""An agent in LangChain that searches an index by itself and looks at what it found, through `senseweave mcp`.

    python examples/langchain_agent.py
    python examples/langchain_agent.py --question "When is the polar bear fed?" --llm openai:gpt-5-mini

Without --llm a fixed rule stands in for a chat model, so that the example runs offline: it searches for the question,
looks at the best hit, and repeats it. With --llm a provider's model decides (it needs `pip install langchain` and the
provider's package), and sees the pictures and hears the sounds that `look` returns.

    pip install "senseweave[starter,mcp]" langgraph langchain-mcp-adapters
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

import senseweave as sw
from senseweave.demo.corpus import corpus_folder

QUESTION = "When is the polar bear at the zoo fed?"


class FixedRule(BaseChatModel):
    """What stands in for a chat model: search, look at the best hit, answer with it."""

    @property
    def _llm_type(self) -> str:
        return "fixed-rule"

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> BaseChatModel:
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        seen = [message for message in messages if isinstance(message, ToolMessage)]
        if not seen:
            asked = {"name": "search", "args": {"query": messages[0].text, "k": 3}, "id": "1"}
            answer = AIMessage("", tool_calls=[asked])
        elif len(seen) == 1:
            best = json.loads(seen[0].text)["hits"][0]
            answer = AIMessage("", tool_calls=[{"name": "look", "args": {"id": best["id"]}, "id": "2"}])
        else:
            answer = AIMessage(seen[1].text)
        return ChatResult(generations=[ChatGeneration(message=answer)])


async def answer(question: str, folder: str, model: BaseChatModel) -> list[BaseMessage]:
    """Return the messages of an agent that answers a question from an index; the last is its answer."""
    server = {
        "transport": "stdio",
        "command": sys.executable,
        "args": ["-m", "senseweave", "mcp", folder],
        "env": dict(os.environ),
    }
    async with MultiServerMCPClient({"corpus": server}).session("corpus") as session:
        tools = await load_mcp_tools(session)
        bound = model.bind_tools(tools)

        async def think(state: MessagesState) -> dict[str, Any]:
            return {"messages": [await bound.ainvoke(state["messages"])]}

        graph = StateGraph(MessagesState)
        graph.add_node("model", think)
        graph.add_node("tools", ToolNode(tools))
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", tools_condition)
        graph.add_edge("tools", "model")
        done = await graph.compile().ainvoke({"messages": [("user", question)]})
    return done["messages"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--llm", help="a provider's chat model, for example openai:gpt-5-mini")
    arguments = parser.parse_args()
    model: BaseChatModel = FixedRule()
    if arguments.llm:
        from langchain.chat_models import init_chat_model

        model = init_chat_model(arguments.llm)
    with tempfile.TemporaryDirectory() as folder:
        with sw.Index(folder) as index:
            index.add(corpus_folder())
        messages = asyncio.run(answer(arguments.question, folder, model))
    for message in messages:
        for call in getattr(message, "tool_calls", ()):
            print(f"tool      {call['name']} {json.dumps(call['args'])}")
    print("answer   ", " ".join(messages[-1].text.split()))


if __name__ == "__main__":
    main()
