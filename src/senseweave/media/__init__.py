"""Inputs of four modalities, from whatever form they come in to decoded arrays with provenance."""

from senseweave.media.base import MODALITIES, Media, Modality, Text
from senseweave.media.decoded import Clip, Waveform
from senseweave.media.policy import MediaPolicy

__all__ = ["MODALITIES", "Clip", "Media", "MediaPolicy", "Modality", "Text", "Waveform"]
