"""LlamaIndex's query bundle, also with recordings and videos, as media of the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llama_index.core.schema import QueryBundle

from senseweave.interop import MEDIA_CLASSES, Media, MediaPolicy, Modality, Text


@dataclass
class MediaQueryBundle(QueryBundle):
    """A query bundle that may also hold a recording and a video.

    Every part that is given counts: words together with a picture find what fits both.

    Args:
        query_str: The question; may be empty where media ask.
        image_path: Path, or URL that the policy allows, of an image.
        custom_embedding_strs: Embedded in place of `query_str`.
        embedding: A query vector, see `SenseweaveRetriever`.
        audio_path: Path or URL of a recording.
        video_path: Path or URL of a video.
        options: For this question alone: other values of the retriever's options on ranking, of `similarity_top_k` and
            of `modalities`, and `filters`, which must hold together with those of the retriever; for example
            `{"modalities": ["image"], "min_score": 0.5, "offset": 10}`.
    """

    query_str: str = ""
    audio_path: str | None = None
    video_path: str | None = None
    options: dict[str, Any] | None = None


def query_media(bundle: QueryBundle, policy: MediaPolicy) -> list[Media]:
    """Return the media and texts of a bundle, which is not changed.

    Args:
        bundle: The bundle; blank strings are left out.
        policy: What may be read.
    """
    paths: dict[Modality, str | None] = {
        "image": bundle.image_path,
        "audio": getattr(bundle, "audio_path", None),
        "video": getattr(bundle, "video_path", None),
    }
    texts: list[Media] = [Text(text) for text in bundle.embedding_strs if text.strip()]
    return texts + [MEDIA_CLASSES[modality](path, policy=policy) for modality, path in paths.items() if path]
