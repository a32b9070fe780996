"""The forms that inputs come in: paths, URLs, data URIs, bytes, file objects and decoded objects."""
