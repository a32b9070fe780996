"""Language models of any framework as a function from a prompt to an answer; no framework is imported."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Writer = Callable[[str], str]
"""Answers a prompt."""


def as_writer(model: Any) -> Writer:
    """Return a function that asks a language model.

    Args:
        model: A chat model, LLM or chain of LangChain (`invoke`), an LLM of LlamaIndex (`complete`), a chat generator
            or generator of Haystack (`run` with `messages` or `prompt`), or a function from a string to a string.

    Raises:
        TypeError: If it is none of these.
    """
    if not isinstance(model, type):
        if callable(getattr(model, "invoke", None)):
            return lambda prompt: _answer(model.invoke(prompt), model)
        if callable(getattr(model, "complete", None)):
            return lambda prompt: _answer(model.complete(prompt), model)
        if callable(getattr(model, "run", None)):
            return _haystack_writer(model)
        if callable(model):
            return lambda prompt: _answer(model(prompt), model)
    given = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
    msg = (
        "model must be a LangChain chat model, a LlamaIndex LLM, a Haystack generator, or a function from a string to "
        f"a string, not {given}"
    )
    raise TypeError(msg)


def _haystack_writer(model: Any) -> Writer:
    takes = inspect.signature(model.run).parameters
    name = next((name for name in ("messages", "prompt") if name in takes), None)
    if name is None:
        msg = f"{type(model).__name__}.run takes neither messages nor a prompt, so it is no generator of Haystack"
        raise TypeError(msg)
    warm_up = getattr(model, "warm_up", None)
    if callable(warm_up):
        warm_up()

    def write(prompt: str) -> str:
        given: Any = prompt
        dataclasses = sys.modules.get("haystack.dataclasses")  # there, since the model is a component of Haystack
        if name == "messages" and dataclasses is not None:
            given = [dataclasses.ChatMessage.from_user(prompt)]
        replies = model.run(**{name: given})["replies"]
        return _answer(replies[0], model) if replies else ""

    return write


def _answer(answer: Any, model: Any) -> str:
    """Return the words of an answer: a string, a message with `content` (or blocks of it), or a response with `text`.

    Raises:
        TypeError: If there are none.
    """
    if isinstance(answer, str):
        return answer
    content = getattr(answer, "content", None)
    if content is None:
        content = getattr(answer, "text", None)
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "".join(_block_text(block) for block in content)
    if content is None and hasattr(answer, "text"):  # a message that calls tools and says nothing
        return ""
    msg = f"{type(model).__name__} answered with {type(answer).__name__}, which has no text; a string was expected"
    raise TypeError(msg)


def _block_text(block: Any) -> str:
    if isinstance(block, str):
        return block
    text = block.get("text") if isinstance(block, Mapping) else getattr(block, "text", None)
    return text if isinstance(text, str) else ""
