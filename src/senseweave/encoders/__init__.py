"""Encoders, one file per family of models; nothing heavy is imported before a model is used."""

from senseweave.encoders.base import Encoded, Encoder, Prepared, Role

__all__ = ["Encoded", "Encoder", "Prepared", "Role"]
