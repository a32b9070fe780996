"""What a text model wants in front of queries and of documents, and where that is written."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from senseweave.encoders.base import ROLES, Role
from senseweave.errors import PromptWarning

WEB_SEARCH = "Given a web search query, retrieve relevant passages that answer the query"
"""The instruction for retrieval in the model cards of E5-instruct, GTE-Qwen2 and Qwen3-Embedding."""

QUERY_KEYS = (
    "query",
    "search_query",
    "retrieval.query",
    "retrieval_query",
    "Retrieval-query",
    "s2p_query",
    "web_search_query",
)
DOCUMENT_KEYS = (
    "document", "passage", "search_document", "retrieval.passage", "retrieval_document", "Retrieval-document", "corpus",
)  # fmt: skip
"""Names under which models save the prompt of a role in `config_sentence_transformers.json`; the first wins."""


@dataclass(frozen=True)
class Prompts:
    """What is put before a text, by role.

    Attributes:
        query: Put before queries; empty for nothing.
        document: Put before documents; empty for nothing.
        source: Where they come from: `given`, `config`, `registry: ...` or `none`.
    """

    query: str
    document: str
    source: str

    def get(self, role: Role) -> str:
        """Return the prompt of a role."""
        return self.query if role == "query" else self.document

    def identity(self) -> dict[str, str]:
        """Return what changes vectors."""
        return {"query": self.query, "document": self.document}


@dataclass(frozen=True)
class Known:
    """Prompts of one family of models.

    Attributes:
        pattern: Regular expression of what begins a word of the lower-case name of a model, without owner or folder.
        query: Prompt of queries.
        document: Prompt of documents.
        source: Where their authors say so.
    """

    pattern: str
    query: str
    document: str
    source: str


TASKS: tuple[tuple[str, dict[Role, str]], ...] = (
    ("jina-embeddings-v3", {"query": "retrieval.query", "document": "retrieval.passage"}),
    ("jina-embeddings-v[45]", {"query": "retrieval", "document": "retrieval"}),
)
"""Adapters that a model chooses by the name of a task; the models' cards."""

_BGE = "Represent this sentence for searching relevant passages: "

REGISTRY: tuple[Known, ...] = (
    Known(r"e5-.*instruct|e5-mistral", f"Instruct: {WEB_SEARCH}\nQuery: ", "", "card of mE5 e5-instruct"),
    Known(r"e5-(small|base|large)", "query: ", "passage: ", "card of intfloat/e5-base-v2; arXiv 2212.03533"),
    Known(r"gte-qwen[12]", f"Instruct: {WEB_SEARCH}\nQuery: ", "", "card of Alibaba-NLP/gte-Qwen2-7B-instruct"),
    Known(r"qwen3-embedding", f"Instruct: {WEB_SEARCH}\nQuery:", "", "card of Qwen/Qwen3-Embedding-0.6B"),
    Known(r"jina-embeddings-v5", "Query: ", "Document: ", "card of jinaai/jina-embeddings-v5-text-small"),
    Known(r"harrier-", f"Instruct: {WEB_SEARCH}\nQuery: ", "", "card of microsoft/harrier-oss-v1-270m"),
    Known(r"sfr-embedding|linq-embed", f"Instruct: {WEB_SEARCH}\nQuery: ", "", "card of SFR-Embedding-Mistral"),
    Known(r"embeddinggemma", "task: search result | query: ", "title: none | text: ", "card of embeddinggemma-300m"),
    Known(r"bge-(small|base|large)-en", _BGE, "", "card of BAAI/bge-small-en-v1.5"),
    Known(r"bge-(small|base|large)-zh", "为这个句子生成表示以用于检索相关文章：", "", "card of BAAI/bge-small-zh-v1.5"),  # noqa: RUF001
    Known(r"mxbai-embed-large", _BGE, "", "card of mixedbread-ai/mxbai-embed-large-v1"),
    Known(r"uae-large", _BGE, "", "card of WhereIsAI/UAE-Large-V1"),
    Known(r"arctic-embed-[lm]-v2", "query: ", "", "card of Snowflake/snowflake-arctic-embed-m-v2.0"),
    Known(r"arctic-embed", _BGE, "", "card of Snowflake/snowflake-arctic-embed-m"),
    Known(r"nomic-embed-text|modernbert-embed", "search_query: ", "search_document: ", "card of nomic-embed"),
    Known(
        r"jina-embeddings-v3",
        "Represent the query for retrieving evidence documents: ",
        "Represent the document for retrieval: ",
        "config of jinaai/jina-embeddings-v3; arXiv 2409.10173",
    ),
    Known(
        r"instructor-(base|large|xl)",
        "Represent the question for retrieving supporting documents: ",
        "Represent the document for retrieval: ",
        "card of hkunlp/instructor-large; arXiv 2212.09741, table 8",
    ),
    # Trained without prompts, though their names or cards look as if they had some.
    Known(r"bge-m3", "", "", "card of BAAI/bge-m3"),
    Known(r"gte-(small|base|large|modernbert|multilingual)", "", "", "card of Alibaba-NLP/gte-multilingual-base"),
    Known(r"all-(minilm|mpnet|distilroberta)|paraphrase-|msmarco-|multi-qa-", "", "", "sbert.net, pretrained models"),
    Known(r"granite-embedding", "", "", "card of ibm-granite/granite-embedding-97m-multilingual-r2"),
)  # fmt: skip
"""By name, for models whose own configuration says nothing; the first match wins."""

_ASYMMETRIC_NAME = re.compile(r"\be5\b|instruct|retriev|\bdpr\b|asymmetric|-query\b|search")
_ASYMMETRIC_CARD = re.compile(r"[\"'`](query|passage|search_query|search_document): |\bInstruct: |prompt_name=")


def find_tasks(name: str) -> dict[Role, str]:
    """Return the task of a role, for models that choose adapters by task; it is empty for all others."""
    return next((dict(tasks) for pattern, tasks in TASKS if _is_named(pattern, name)), {})


def find_prompts(
    name: str,
    *,
    aliases: Sequence[str] = (),
    saved: Mapping[str, str | None] | None = None,
    default_name: str | None = None,
    card: str = "",
    prompts: Mapping[str, str] | None = None,
) -> Prompts:
    """Decide the prompts of a model: `prompts`, else those that it was saved with, else those of the registry.

    Args:
        name: What the user called the model.
        aliases: Other names that it has, for example of the hub id that a local folder was saved from.
        saved: `prompts` of its `config_sentence_transformers.json`.
        default_name: `default_prompt_name` of that file: the saved prompt that is used if no role has a prompt.
        card: Its README, searched for signs of prompts.
        prompts: Prompts by role from the caller; a role that is left out has none.

    Raises:
        ValueError: If a key of `prompts` is not a role.

    Warns:
        PromptWarning: If the model looks as if it needed prompts and none are known.
    """
    if prompts is not None:
        check_roles(prompts)
        return Prompts(prompts.get("query", ""), prompts.get("document", ""), "given")
    saved = saved or {}
    by_role = saved_by_role(saved)
    if by_role is not None:
        return by_role
    for entry in REGISTRY:
        for alias in (name, *aliases):
            if _is_named(entry.pattern, alias):
                return Prompts(entry.query, entry.document, f"registry: {entry.source}")
    default = saved.get(default_name or "")
    if default:
        return Prompts(default, default, "config")
    others = sorted(key for key, value in saved.items() if value)
    if (
        others
        or _ASYMMETRIC_CARD.search(card)
        or any(_ASYMMETRIC_NAME.search(own_name(alias)) for alias in (name, *aliases))
    ):
        reason = (
            f"it was saved with the prompts {', '.join(others)}" if others else "its name or model card mentions them"
        )
        warnings.warn(
            f"{name} looks as if it needed prompts for queries and documents ({reason}), but none are known; its "
            "vectors will be worse than they could be. Pass them, for example prompts={'query': 'query: ', "
            "'document': 'passage: '}, or prompts={} if it needs none",
            PromptWarning,
            stacklevel=2,
        )
    return Prompts("", "", "none")


def saved_by_role(saved: Mapping[str, str | None]) -> Prompts | None:
    """Return the prompts that a model was saved with for queries and documents, or None if it has none for either."""
    query = next((saved[key] for key in QUERY_KEYS if saved.get(key)), None)
    document = next((saved[key] for key in DOCUMENT_KEYS if saved.get(key)), None)
    return Prompts(query or "", document or "", "config") if query or document else None


def last_name(name: str) -> str:
    """Return what a hub id or a path ends with; what is above it says nothing of the model."""
    return re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def own_name(name: str) -> str:
    """Return what a hub id or a path ends with, in lower case."""
    return last_name(name).lower()


def _is_named(pattern: str, name: str) -> bool:
    return re.search(rf"(?:^|[-_.])(?:{pattern})", own_name(name)) is not None


def check_roles(prompts: Mapping[str, str]) -> None:
    """Raise ValueError if a key of `prompts` is not a role."""
    unknown = sorted(set(map(str, prompts)) - set(ROLES))
    if unknown:
        msg = f"prompts must have roles as keys ({', '.join(ROLES)}), not {', '.join(map(repr, unknown))}"
        raise ValueError(msg)
