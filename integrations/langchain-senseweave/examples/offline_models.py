"""Chat models that run without weights, so that the examples run offline; put a provider's model in their place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class QuotingChatModel(BaseChatModel):
    """Answers with the sentence of its sources that shares most words with the question, and says what it was shown.

    With a tool at hand it first calls it with the question.
    """

    tool_name: str | None = None

    @property
    def _llm_type(self) -> str:
        return "quoting"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> QuotingChatModel:
        """Remember the first tool."""
        return self.model_copy(update={"tool_name": tools[0].name})

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        question = next(str(m.content_blocks[-1]["text"]) for m in reversed(messages) if isinstance(m, HumanMessage))
        question = question.removeprefix("Question: ")
        seen = [m for m in messages if isinstance(m, ToolMessage)]
        if self.tool_name and not seen:
            call = {"name": self.tool_name, "args": {"query": question}, "id": "call-1"}
            return _result(AIMessage("", tool_calls=[call]))
        blocks: list[Any] = (seen[-1] if seen else messages[-1]).content_blocks
        return _result(AIMessage(_quote(question, blocks)))


class ListeningChatModel(BaseChatModel):
    """Searches, looks at the first picture and listens to the first recording that it finds, and cites both."""

    @property
    def _llm_type(self) -> str:
        return "listening"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> ListeningChatModel:
        """Return the model itself, which knows the tools by their names."""
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        found = [message for message in messages if isinstance(message, ToolMessage)]
        if not found:
            question = next(message.text for message in messages if isinstance(message, HumanMessage))
            return _result(AIMessage("", tool_calls=[_call("search_media", {"query": question})]))
        if len(found) == 1:
            shown = " ".join(block["text"] for block in found[0].content_blocks if block["type"] == "text")
            picture = re.search(r"image, ([^:,]+):", shown)
            sound = re.search(r"audio, ([^:,]+), (\d+):([\d.]+) to (\d+):([\d.]+):", shown)
            calls = [_call("look", {"name": picture[1]})] if picture else []
            if sound:
                start, end = (60 * int(sound[i]) + float(sound[i + 1]) for i in (2, 4))
                calls.append(_call("listen", {"name": sound[1], "start": start, "end": end}))
            return _result(AIMessage("", tool_calls=calls))
        pictures = sum(block["type"] == "image" for block in found[1].content_blocks)
        return _result(AIMessage(f"I heard: {found[-1].text} I looked at {pictures} picture."))


def _call(name: str, arguments: dict[str, Any]) -> Any:
    return {"name": name, "args": arguments, "id": f"call-{name}"}


def _quote(question: str, blocks: list[Any]) -> str:
    best, number, quoted = -1, "?", ""
    for block in blocks:
        if block["type"] != "text" or block["text"].startswith("Question: "):
            continue
        label = re.search(r"^\[(\d+)\] .*?:(?: |$)", block["text"], re.MULTILINE)
        if label:
            number = label[1]
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", block["text"][label.end() if label else 0 :]):
            shared = len(_words(sentence) & _words(question))
            if shared > best and sentence.strip() and not sentence.startswith("#"):
                best, quoted = shared, f"{sentence.strip()} [{number}]"
    images = sum(block["type"] == "image" for block in blocks)
    recordings = sum(block["type"] in ("audio", "file") for block in blocks)
    return f"{quoted or 'I do not know.'} (shown: {images} images, {recordings} recordings)"


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 2}


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])
