"""Inputs of four modalities, from whatever form they come in to decoded arrays with provenance."""

from senseweave.media.base import Media
from senseweave.media.collecting import MEDIA_CLASSES, collect
from senseweave.media.decoded import Clip, Waveform
from senseweave.media.kinds.audio import Audio
from senseweave.media.kinds.image import Image
from senseweave.media.kinds.text import Text
from senseweave.media.kinds.video import Video
from senseweave.media.modality import MODALITIES, Modality
from senseweave.media.policy import MediaPolicy
from senseweave.media.splitting import split

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
