"""Readers of sound, frames and pixels, and the windows that long recordings are cut into."""
