"""senseweave: text, images, audio and video in the same vectors, one index and one ranking.

Importing this module is cheap: every name below is loaded when it is first used, and no model library before a
model is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senseweave.lazy import lazy_names

__version__ = "0.2.0"

_HOMES = {
    "Text": "senseweave.media",
    "Image": "senseweave.media",
    "Audio": "senseweave.media",
    "Video": "senseweave.media",
    "Media": "senseweave.media",
    "MediaPolicy": "senseweave.media",
    "Space": "senseweave.spaces",
    "load": "senseweave.spaces",
    "SparseSpace": "senseweave.spaces",
    "load_sparse": "senseweave.spaces",
    "trust": "senseweave.spaces",
    "Index": "senseweave.retrieval",
    "Hit": "senseweave.retrieval",
    "Query": "senseweave.retrieval",
    "load_reranker": "senseweave.retrieval",
    "Reranker": "senseweave.retrieval",
    "Progress": "senseweave.progress",
    "fuse": "senseweave.media.fused",
    "learn_weights": "senseweave.spaces.fusion_weights",
    "finetune": "senseweave.training.finetuning",
    "stores": "senseweave.stores",
    "scale": "senseweave.scale",
    "classify": "senseweave.evaluation",
    "align": "senseweave.training.alignment",
    "Alignment": "senseweave.training.alignment",
    "SenseweaveError": "senseweave.errors",
    "AddError": "senseweave.errors",
    "MediaError": "senseweave.errors",
    "PolicyError": "senseweave.errors",
    "UnsupportedModalityError": "senseweave.errors",
    "ModelError": "senseweave.errors",
    "WeightsError": "senseweave.errors",
    "EncodingError": "senseweave.errors",
    "StoreError": "senseweave.errors",
    "FingerprintError": "senseweave.errors",
    "TrustError": "senseweave.errors",
}

__all__ = [*_HOMES, "__version__"]

if TYPE_CHECKING:
    from senseweave import scale as scale
    from senseweave import stores as stores
    from senseweave.errors import AddError as AddError
    from senseweave.errors import EncodingError as EncodingError
    from senseweave.errors import FingerprintError as FingerprintError
    from senseweave.errors import MediaError as MediaError
    from senseweave.errors import ModelError as ModelError
    from senseweave.errors import PolicyError as PolicyError
    from senseweave.errors import SenseweaveError as SenseweaveError
    from senseweave.errors import StoreError as StoreError
    from senseweave.errors import TrustError as TrustError
    from senseweave.errors import UnsupportedModalityError as UnsupportedModalityError
    from senseweave.errors import WeightsError as WeightsError
    from senseweave.evaluation import classify as classify
    from senseweave.media import Audio as Audio
    from senseweave.media import Image as Image
    from senseweave.media import Media as Media
    from senseweave.media import MediaPolicy as MediaPolicy
    from senseweave.media import Text as Text
    from senseweave.media import Video as Video
    from senseweave.media.fused import fuse as fuse
    from senseweave.progress import Progress as Progress
    from senseweave.retrieval import Hit as Hit
    from senseweave.retrieval import Index as Index
    from senseweave.retrieval import Query as Query
    from senseweave.retrieval import Reranker as Reranker
    from senseweave.retrieval import load_reranker as load_reranker
    from senseweave.spaces import Space as Space
    from senseweave.spaces import SparseSpace as SparseSpace
    from senseweave.spaces import load as load
    from senseweave.spaces import load_sparse as load_sparse
    from senseweave.spaces import trust as trust
    from senseweave.spaces.fusion_weights import learn_weights as learn_weights
    from senseweave.training.alignment import Alignment as Alignment
    from senseweave.training.alignment import align as align
    from senseweave.training.finetuning.finetune import finetune as finetune


__getattr__, __dir__ = lazy_names(__name__, _HOMES)
