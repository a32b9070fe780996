"""An agent that searches, looks at pictures, listens to a span and cites both; it stops for approval and goes on later.

    pip install langgraph
    python examples/listening_agent.py
    python examples/listening_agent.py --provider google_genai:gemini-2.5-flash "Which bridge will be closed?"

Runs offline with a scripted model; `--provider` takes any name of `init_chat_model` (with `pip install langchain`).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from langchain_senseweave import (
    SenseweaveChroma,
    SenseweaveEmbeddings,
    SenseweaveRetriever,
    content_blocks,
    create_media_retriever_tool,
    document_from_media,
)
from senseweave import Audio, Image, MediaPolicy
from senseweave.demo.corpus import corpus_folder

sys.path.insert(0, str(Path(__file__).parent))
from offline_models import ListeningChatModel


def make_tools(folder: Path, embeddings: SenseweaveEmbeddings, database: str) -> list[BaseTool]:
    """Return the tools of the agent over the pictures and recordings of a folder; nothing outside it can be opened."""
    store = SenseweaveChroma("corpus", embeddings, persist_directory=database)
    store.add_media([folder / "images", folder / "audio"])
    retriever = SenseweaveRetriever(vector_stores=[store], k=4, quota={"image": 1, "audio": 1})
    policy = MediaPolicy(root=folder)
    by_name = {path.name: path for kind in ("images", "audio") for path in (folder / kind).iterdir()}

    @tool
    def look(name: str) -> Any:
        """Show a picture, by the name of its file, in full."""
        picture = document_from_media(Image(by_name[name], policy=policy))
        return content_blocks([picture], policy=policy)

    @tool
    def listen(name: str, start: float, end: float) -> str:
        """Return what is said in a recording, by the name of its file, from one second to another."""
        said = embeddings.describe_media([Audio(by_name[name], span=(start, end), policy=policy)])[0]
        return f"{name} from {start:g} to {end:g} seconds: {said or 'nothing is said'}"

    search = create_media_retriever_tool(
        retriever, "search_media", "Searches photographs and recordings.", modality_argument=True
    )
    return [search, look, listen]


def make_agent(model: BaseChatModel, tools: list[BaseTool], saver: BaseCheckpointSaver[Any]) -> Any:
    """Return a graph of a model and its tools that stops before each use of a tool, and goes on when it is invoked."""
    bound = model.bind_tools(tools)

    def think(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [bound.invoke(state["messages"])]}

    def choose(state: MessagesState) -> str:
        return "tools" if getattr(state["messages"][-1], "tool_calls", None) else END

    graph = StateGraph(MessagesState)
    graph.add_node("model", think)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", choose, ["tools", END])
    graph.add_edge("tools", "model")
    return graph.compile(checkpointer=saver, interrupt_before=["tools"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Ask the agent, approve each use of a tool, and print what it did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", default="Which bridge will be closed for repairs?")
    parser.add_argument("--model", default="starter", help="any name that senseweave.load takes")
    parser.add_argument("--provider", help="a chat model, as init_chat_model takes it")
    given = parser.parse_args(arguments)
    model: BaseChatModel = ListeningChatModel()
    if given.provider:
        from langchain.chat_models import init_chat_model

        model = init_chat_model(given.provider)

    saver, thread = InMemorySaver(), {"configurable": {"thread_id": "one"}}
    with tempfile.TemporaryDirectory() as folder:
        tools = make_tools(corpus_folder(), SenseweaveEmbeddings(model=given.model), folder)
        agent = make_agent(model, tools, saver)
        agent.invoke({"messages": [HumanMessage(given.question)]}, thread)
        while agent.get_state(thread).next:
            for call in agent.get_state(thread).values["messages"][-1].tool_calls:
                print(f"approved {call['name']}({call['args']})")
            agent = make_agent(model, tools, saver)  # another process would read the state from its saver
            agent.invoke(None, thread)
        print(agent.get_state(thread).values["messages"][-1].text)


if __name__ == "__main__":
    main()
