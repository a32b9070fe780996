"""What an integration may use of the core, stated and stable: everything else is internal and may change.

A framework's package translates between the framework's types and these names; it decodes nothing, ranks nothing and
holds no model. Each name is imported when it is first used: what embeds needs nothing of retrieval, and what needs
pydantic is left to frameworks that bring it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senseweave.interop.homes import HOMES
from senseweave.lazy import lazy_names

if TYPE_CHECKING:
    from senseweave.arguments import check_choice
    from senseweave.boundaries import data_label, data_marks, data_text
    from senseweave.concurrency import in_thread
    from senseweave.display import printable
    from senseweave.encoders.base import Encoded, Encoder, Prepared, Role
    from senseweave.encoders.runtime.torch_runtime import Lazy
    from senseweave.errors import (
        AddError,
        EncodingError,
        FingerprintError,
        MediaError,
        SenseweaveError,
        SpanError,
        StoreError,
        UnsupportedModalityError,
        placed_among,
    )
    from senseweave.forking import Lock
    from senseweave.interop.calls import (
        DIRECT,
        OFF_LOOP,
        Steps,
        embed_readable,
        fetch_or_compute,
        list_items,
        progress_bar,
        read_each,
        require_all,
        run_direct,
    )
    from senseweave.interop.fields import LOAD_FIELDS, PolicyFields, RankingFields, SpaceFields, SpaceOptions
    from senseweave.interop.media_cache import DESCRIPTION, VECTOR, MediaCache, content_cache_key
    from senseweave.interop.message_blocks import block_content, is_block, media_from_block
    from senseweave.interop.prompting import (
        SYSTEM_PROMPT,
        OnUnreadable,
        PromptDocument,
        PromptFile,
        PromptLimits,
        PromptPart,
        prompt_label,
        prompt_parts,
    )
    from senseweave.media import (
        MEDIA_CLASSES,
        MODALITIES,
        Audio,
        Clip,
        Image,
        Media,
        MediaPolicy,
        Modality,
        Text,
        Video,
        collect,
    )
    from senseweave.media.base import local_path, source_name
    from senseweave.media.collecting import OnInputError, as_media, first_media
    from senseweave.media.export import DEFAULT_PIXELS, ImageFormat, image_file
    from senseweave.media.files import is_kept, keep_bytes
    from senseweave.media.forms.local_names import source_path
    from senseweave.media.forms.source import PAGES, Pages
    from senseweave.media.fused import Fused
    from senseweave.media.kinds.picture_text import Ocr
    from senseweave.media.policy import choose_policy
    from senseweave.progress import Counter, Progress, ProgressOption, shown_progress, tracked
    from senseweave.redaction import without_secret_options, without_secrets
    from senseweave.retrieval import METHODS, Hit, Index, Query, Ranked, Statistics, merge
    from senseweave.retrieval.calibration.store_statistics import Sample, evenly_spaced
    from senseweave.retrieval.chroma_view import ChromaView, chroma_words, close_replaced, read_anew, reopen_in_child
    from senseweave.retrieval.chroma_writer import FINGERPRINT, ChromaWriter
    from senseweave.retrieval.fusion import EmbeddedPart
    from senseweave.retrieval.fusion.composition import unit
    from senseweave.retrieval.hits import with_result
    from senseweave.retrieval.list_statistics import ListStatistics
    from senseweave.retrieval.ranking import Ranking, arank, rank
    from senseweave.retrieval.records.adding import chunk_record, describe_chunk, embed_documents
    from senseweave.retrieval.records.chunking import CHUNK_OPTIONS, ChunkOptions, chunk_media
    from senseweave.retrieval.records.identity import record_id
    from senseweave.retrieval.records.labels import (
        document_text,
        labeled_description,
        place_label,
        source_label,
        text_without_place,
    )
    from senseweave.retrieval.records.loading import ChunkLoader, LoadedChunk, check_modality, failure_summary
    from senseweave.retrieval.records.schema import (
        FILE_PATH,
        INDEX_NAMES,
        Provenance,
        Record,
        media_provenance,
        read_metadata,
        write_metadata,
    )
    from senseweave.retrieval.records.word_times import WORD_TIMES, find_word, keep_word_times, read_word_times
    from senseweave.retrieval.report import raise_failed
    from senseweave.retrieval.search.embedding import Embedded, embed_query, given_vector
    from senseweave.retrieval.search.plan import OPTIONS, Plan, Planner, RankingOptions, chosen_modalities, whole_number
    from senseweave.retrieval.search.rerank import as_reranker
    from senseweave.retrieval.search.reranker import Reranker
    from senseweave.retrieval.search.source import Candidate, RankingSource
    from senseweave.retrieval.search.words.documents import DocumentWords
    from senseweave.retrieval.store_ranking import (
        IndexRanking,
        SampledView,
        StoreCall,
        StoreRanking,
        StoreView,
        check_fingerprints,
        list_name,
    )
    from senseweave.retrieval.stores.filter_size import check_filter_size, filter_parts, listed_values
    from senseweave.retrieval.stores.filters import (
        COMPARISONS,
        NOT_TEXT,
        compile_filter,
        metadata_test,
        modality_filter,
    )
    from senseweave.spaces import Batch, Space, load
    from senseweave.spaces.batch import EmbeddedItem
    from senseweave.spaces.engine import OnError
    from senseweave.spaces.recorded import check_recorded, remember, trust

__all__ = [
    "CHUNK_OPTIONS",
    "COMPARISONS",
    "LOAD_FIELDS",
    "PolicyFields",
    "RankingFields",
    "SpaceFields",
    "SpaceOptions",
    "DEFAULT_PIXELS",
    "DESCRIPTION",
    "DIRECT",
    "FILE_PATH",
    "INDEX_NAMES",
    "MEDIA_CLASSES",
    "METHODS",
    "MODALITIES",
    "NOT_TEXT",
    "OFF_LOOP",
    "OPTIONS",
    "SYSTEM_PROMPT",
    "WORD_TIMES",
    "VECTOR",
    "Audio",
    "Batch",
    "Candidate",
    "ChromaView",
    "ChromaWriter",
    "ChunkLoader",
    "ChunkOptions",
    "Clip",
    "DocumentWords",
    "Embedded",
    "EmbeddedItem",
    "EmbeddedPart",
    "Encoded",
    "Encoder",
    "AddError",
    "EncodingError",
    "FINGERPRINT",
    "FingerprintError",
    "Fused",
    "Hit",
    "Image",
    "ImageFormat",
    "Index",
    "IndexRanking",
    "Lazy",
    "ListStatistics",
    "LoadedChunk",
    "Lock",
    "Media",
    "MediaCache",
    "MediaError",
    "MediaPolicy",
    "Modality",
    "PAGES",
    "Ocr",
    "Pages",
    "OnError",
    "OnInputError",
    "OnUnreadable",
    "Plan",
    "Planner",
    "Prepared",
    "Counter",
    "Progress",
    "ProgressOption",
    "PromptDocument",
    "PromptFile",
    "PromptLimits",
    "PromptPart",
    "Provenance",
    "Query",
    "Ranked",
    "Ranking",
    "RankingOptions",
    "RankingSource",
    "Record",
    "Reranker",
    "Role",
    "Sample",
    "SampledView",
    "SenseweaveError",
    "Space",
    "SpanError",
    "Statistics",
    "Steps",
    "StoreCall",
    "StoreError",
    "StoreRanking",
    "StoreView",
    "Text",
    "UnsupportedModalityError",
    "Video",
    "arank",
    "as_media",
    "as_reranker",
    "block_content",
    "check_choice",
    "check_filter_size",
    "check_modality",
    "check_recorded",
    "check_fingerprints",
    "choose_policy",
    "chroma_words",
    "chosen_modalities",
    "chunk_media",
    "chunk_record",
    "close_replaced",
    "collect",
    "compile_filter",
    "content_cache_key",
    "data_label",
    "data_marks",
    "data_text",
    "describe_chunk",
    "document_text",
    "embed_documents",
    "embed_query",
    "embed_readable",
    "evenly_spaced",
    "filter_parts",
    "first_media",
    "given_vector",
    "failure_summary",
    "find_word",
    "fetch_or_compute",
    "image_file",
    "in_thread",
    "is_block",
    "is_kept",
    "keep_bytes",
    "keep_word_times",
    "labeled_description",
    "lazy_names",
    "list_items",
    "listed_values",
    "list_name",
    "load",
    "local_path",
    "media_from_block",
    "media_provenance",
    "merge",
    "metadata_test",
    "modality_filter",
    "place_label",
    "placed_among",
    "printable",
    "progress_bar",
    "prompt_label",
    "prompt_parts",
    "raise_failed",
    "rank",
    "read_anew",
    "read_each",
    "read_metadata",
    "read_word_times",
    "record_id",
    "remember",
    "reopen_in_child",
    "require_all",
    "run_direct",
    "source_label",
    "source_name",
    "source_path",
    "text_without_place",
    "shown_progress",
    "tracked",
    "trust",
    "unit",
    "whole_number",
    "without_secret_options",
    "without_secrets",
    "with_result",
    "write_metadata",
]

__getattr__, __dir__ = lazy_names(__name__, HOMES)
