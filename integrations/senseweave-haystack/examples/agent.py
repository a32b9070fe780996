"""An agent that searches an index of all modalities with a tool, and sees the images that it finds.

python agent.py "Is there a picture of a parrot?"
python agent.py "Is there a picture of a parrot?" --llm gpt-5-mini

Without --llm it runs offline: a function stands in for the model; it searches once and reports what it saw.
"""

import argparse
import tempfile

from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator, OpenAIChatGenerator
from haystack.dataclasses import ChatMessage, ImageContent, TextContent, ToolCall
from haystack.tools import ComponentTool
from haystack_integrations.components.builders.senseweave import documents_to_tool_result
from haystack_integrations.components.retrievers.senseweave import SenseweaveMultimodalRetriever

import senseweave as sw
from senseweave.demo.corpus import corpus_folder


def search_then_report(messages: list[ChatMessage]) -> ChatMessage:
    """Stand in for a model: call the tool with the question, then say what it returned."""
    results = messages[-1].tool_call_results
    if not results:
        return ChatMessage.from_assistant(tool_calls=[ToolCall("search", {"query": messages[-1].text, "top_k": 2})])
    parts = results[0].result
    images = sum(isinstance(part, ImageContent) for part in parts)
    lines = [line for part in parts if isinstance(part, TextContent) for line in part.text.splitlines()]
    first = next(line for line in lines if line.startswith("[1]"))  # after a notice and a mark
    return ChatMessage.from_assistant(f"I saw {images} images. The best source is {first}")


def agent(index: str, llm: str | None = None) -> Agent:
    """An agent with one tool: the retriever over an index."""
    search = ComponentTool(
        component=SenseweaveMultimodalRetriever(index=index, top_k=3),
        name="search",
        description="Search texts, photographs, recordings and videos in plain words.",
        parameters={
            "type": "object",
            "properties": {"query": {"type": "string"}, "top_k": {"type": "integer"}},
            "required": ["query"],
        },
        outputs_to_string={"source": "documents", "handler": documents_to_tool_result, "raw_result": True},
    )
    generator = OpenAIChatGenerator(model=llm) if llm else MockChatGenerator(response_fn=search_then_report)
    return Agent(chat_generator=generator, tools=[search], max_agent_steps=4)


def main(arguments: list[str] | None = None) -> None:
    """Make an index of the sample corpus and ask the agent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("question", nargs="?", default="a colourful parrot")
    parser.add_argument("sources", nargs="*", help="files and folders; the sample corpus if there are none")
    parser.add_argument("--llm", help="a model of OpenAI; offline without")
    given = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        with sw.Index(folder) as index:
            index.add(given.sources or [corpus_folder()])
        result = agent(folder, given.llm).run(messages=[ChatMessage.from_user(given.question)])
        print(result["last_message"].text)


if __name__ == "__main__":
    main()
