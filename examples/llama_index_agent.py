"""An agent in LlamaIndex that searches an index by itself and looks at what it found, through `senseweave mcp`.

    python examples/llama_index_agent.py
    python examples/llama_index_agent.py --question "When is the polar bear fed?" --llm gpt-5-mini

Without --llm a fixed rule stands in for a language model, so that the example runs offline: it searches for the
question, looks at the best hit, and repeats it. With --llm a model of OpenAI decides (it needs
`pip install llama-index-llms-openai`).

    pip install "senseweave[starter,mcp]" llama-index-tools-mcp
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from llama_index.core.agent.workflow import ReActAgent, ToolCallResult
from llama_index.core.llms import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CompletionResponseGen,
    CustomLLM,
    LLMMetadata,
)
from llama_index.core.llms.llm import LLM
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

import senseweave as sw
from senseweave.demo.corpus import corpus_folder

QUESTION = "When is the polar bear at the zoo fed?"


class FixedRule(CustomLLM):
    """What stands in for a language model: search, look at the best hit, answer with it."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(context_window=1_000_000, model_name="fixed-rule")

    def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        asked = max(
            at for at, message in enumerate(messages) if not _is_observation(message) and message.role == "user"
        )
        seen = [str(message.content) for message in messages[asked:] if _is_observation(message)]
        if not seen:
            step = _action("search", {"query": messages[asked].content, "k": 3})
        elif len(seen) == 1:
            step = _action("look", {"id": re.findall(r"\bid\W+(\w+)", seen[0])[0]})
        else:
            step = f"Thought: I can answer without using any more tools.\nAnswer: {' '.join(_texts(seen[1]))}"
        return ChatResponse(message=ChatMessage(step, role="assistant"))

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text=str(self.chat([ChatMessage(prompt, role="user")]).message.content))

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponseGen:
        yield self.complete(prompt)


def _is_observation(message: ChatMessage) -> bool:
    return str(message.content).startswith("Observation:")


def _texts(observation: str) -> list[str]:
    return re.findall(r"text='([^']*)'", observation)


def _action(tool: str, arguments: dict[str, Any]) -> str:
    return f"Thought: I need a tool.\nAction: {tool}\nAction Input: {json.dumps(arguments)}"


async def answer(question: str, folder: str, model: LLM) -> tuple[str, list[ToolCallResult]]:
    """Return what an agent answers to a question from an index, and the tools that it called."""
    client = BasicMCPClient(sys.executable, args=["-m", "senseweave", "mcp", folder], env=dict(os.environ))
    tools = await McpToolSpec(client).to_tool_list_async()
    running = ReActAgent(tools=tools, llm=model, streaming=False).run(question)
    calls = [event async for event in running.stream_events() if isinstance(event, ToolCallResult)]
    return str(await running), calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--llm", help="a model of OpenAI, for example gpt-5-mini")
    arguments = parser.parse_args()
    model: LLM = FixedRule()
    if arguments.llm:
        from llama_index.llms.openai import OpenAI

        model = OpenAI(arguments.llm)
    with tempfile.TemporaryDirectory() as folder:
        with sw.Index(folder) as index:
            index.add(corpus_folder())
        answered, calls = asyncio.run(answer(arguments.question, folder, model))
    for call in calls:
        print(f"tool      {call.tool_name} {json.dumps(call.tool_kwargs)}")
    print("answer   ", " ".join(answered.split()))


if __name__ == "__main__":
    main()
