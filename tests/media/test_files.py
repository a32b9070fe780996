"""Files are written whole or not at all, and kept once for each content."""

import hashlib

import pytest

from senseweave.media.files import is_kept, keep_bytes, write_file


def test_bytes_are_kept_once_under_their_hash(tmp_path):
    path = keep_bytes(b"content", tmp_path, ".bin")
    assert path.read_bytes() == b"content"
    assert path.name == f"{hashlib.sha256(b'content').hexdigest()}.bin"
    written = path.stat().st_mtime_ns
    assert keep_bytes(b"content", tmp_path, ".bin") == path
    assert path.stat().st_mtime_ns == written
    path.write_bytes(b"cut")
    assert keep_bytes(b"content", tmp_path, ".bin").read_bytes() == b"content"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "folder" / "file"
    write_file(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"new")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_file(path, fail)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_a_kept_file_is_known_by_its_name_and_folder(tmp_path):
    path = keep_bytes(b"content", tmp_path, ".bin")
    assert is_kept(path)
    assert not is_kept(tmp_path / "ff" / path.name)
    assert not is_kept(tmp_path / path.name[:2] / "content.bin")
    assert not is_kept(str(path))
