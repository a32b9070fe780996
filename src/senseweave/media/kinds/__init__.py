"""The four kinds of media: text, image, audio and video."""
