"""One open file with several readers."""

import pytest
from counting import opened_files

from senseweave.media.forms.shared_file import SharedFile


def test_readers_of_a_shared_file_have_positions_of_their_own(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(200)) * 1000)
    with opened_files(tmp_path) as opened:
        shared = SharedFile(lambda: path.open("rb"))
        assert not opened
        first, second = shared.reader(), shared.reader()
        assert first.read(3) == b"\0\1\2"
        assert second.seek(-1, 2) == 199_999
        with pytest.raises(OSError, match="Invalid argument"):
            second.seek(-200_001, 2)
        with path.open("ab") as more:
            more.write(b"later")
        assert second.read() == bytes([199])  # it ends where it ended when it was opened
        shared.release()
        assert shared.reader() is not None  # open as long as somebody reads
        first.close()
        assert second.seek(1) == 1
        assert second.read(2) == b"\1\2"
        second.close()
        assert shared.reader() is None
    assert opened == {str(path): 2}
    with pytest.raises(ValueError, match="closed file"):
        second.read()
