"""Inputs of four modalities, from whatever form they come in to decoded arrays with provenance."""

from senseweave.media.audio import Audio
from senseweave.media.base import Media
from senseweave.media.collecting import MEDIA_OF, collect
from senseweave.media.decoded import Clip, Waveform
from senseweave.media.image import Image
from senseweave.media.modality import MODALITIES, Modality
from senseweave.media.policy import MediaPolicy
from senseweave.media.splitting import split
from senseweave.media.text import Text
from senseweave.media.video import Video

__all__ = [
    "MEDIA_OF",
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
