"""Inputs of four modalities, from whatever form they come in to decoded arrays with provenance.

A name is imported when it is first used: a module of this package that reads names of files needs no arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from senseweave.lazy import lazy_names

if TYPE_CHECKING:
    from senseweave.media.base import Media as Media
    from senseweave.media.collecting import MEDIA_CLASSES as MEDIA_CLASSES
    from senseweave.media.collecting import collect as collect
    from senseweave.media.decoded import Clip as Clip
    from senseweave.media.decoded import Waveform as Waveform
    from senseweave.media.kinds.audio import Audio as Audio
    from senseweave.media.kinds.image import Image as Image
    from senseweave.media.kinds.text import Text as Text
    from senseweave.media.kinds.video import Video as Video
    from senseweave.media.modality import MODALITIES as MODALITIES
    from senseweave.media.modality import Modality as Modality
    from senseweave.media.policy import MediaPolicy as MediaPolicy
    from senseweave.media.splitting import split as split

_HOMES = {
    "Audio": "senseweave.media.kinds.audio",
    "Clip": "senseweave.media.decoded",
    "Image": "senseweave.media.kinds.image",
    "MEDIA_CLASSES": "senseweave.media.collecting",
    "MODALITIES": "senseweave.media.modality",
    "Media": "senseweave.media.base",
    "MediaPolicy": "senseweave.media.policy",
    "Modality": "senseweave.media.modality",
    "Text": "senseweave.media.kinds.text",
    "Video": "senseweave.media.kinds.video",
    "Waveform": "senseweave.media.decoded",
    "collect": "senseweave.media.collecting",
    "split": "senseweave.media.splitting",
}

__all__ = [
    "MEDIA_CLASSES",
    "MODALITIES",
    "Audio",
    "Clip",
    "Image",
    "Media",
    "MediaPolicy",
    "Modality",
    "Text",
    "Video",
    "Waveform",
    "collect",
    "split",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
