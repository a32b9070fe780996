"""Folders that may be read and not written to."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

READ_ONLY = """
import os, sys
sys.path.insert(0, sys.argv[2])
import tiny_space, senseweave as sw
from pathlib import Path
home = Path(sys.argv[3])
os.environ["HOME"] = os.environ["XDG_CACHE_HOME"] = str(home)
os.environ.pop("SENSEWEAVE_CACHE", None)

def read(index):
    assert len(index) == 1100
    assert index.search("record number7 subject7", k=1)[0].source == "s7"
    assert index.info()["records"] == 1100 and len(index.sources()) == 1100
    assert index.export(home / "export.jsonl") == 1100
    assert index.verify().ok

with sw.Index.open(sys.argv[4], spaces=[tiny_space.make_space()]) as index:
    read(index)  # imports what this needs, which the other user may not be able to read
(home / "export.jsonl").unlink()
os.setgid(65534); os.setuid(65534)
with sw.Index.open(sys.argv[1], spaces=[tiny_space.make_space()]) as index:
    read(index)
    for change in (lambda: index.add(sw.Text("new", source="n")), lambda: index.delete(sources="s1"), index.repair):
        try:
            change()
        except sw.errors.StoreError as error:
            assert "read-only" in str(error) and "\\n" not in str(error), error
        else:
            raise AssertionError("written")
    copies = list(Path(sys.argv[3], "senseweave").glob("read-only-*"))
    assert len(copies) == 1
assert not list(Path(sys.argv[3], "senseweave").glob("read-only-*"))
print("read")
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user_is_searched_but_not_changed(folder, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    for parent in [folder, *folder.parents[:4]]:
        parent.chmod(0o755)
    names = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            READ_ONLY,
            str(folder),
            str(Path(__file__).parents[1]),
            str(home),
            str(shutil.copytree(folder, tmp_path / "other")),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "read\n", done.stderr[-3000:]
    assert names == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_folder_on_a_read_only_disk_is_verified(folder):
    """Chroma writes to the database that it loads, whoever asks."""
    mount = "mount --bind $0 $0 && mount -o remount,ro,bind $0"
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, mount, str(folder)], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    program = "from senseweave.cli import main; main()"
    verify = f'{mount} && exec "$1" -c "$2" verify $0 --json'
    ran = subprocess.run(
        [*namespace, verify, str(folder), sys.executable, program],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)["place"] == str(folder)


MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
MOUNTED = """
import sys
sys.path.insert(0, sys.argv[2])
import tiny_space, senseweave as sw
try:
    open(sys.argv[1] + "/new", "w")
except OSError as error:
    assert error.errno == 30, error  # EROFS
else:
    raise AssertionError("the mount can be written to")
with sw.Index.open(sys.argv[1], spaces=[tiny_space.make_space()]) as index:
    assert index.search("record number7 subject7", k=1)[0].source == "s7"
    assert index.verify().ok
    try:
        index.add(sw.Text("new", source="n"))
    except sw.errors.StoreError as error:
        assert "read-only" in str(error), error
    else:
        raise AssertionError("written")
print("read")
"""


def test_a_folder_on_a_read_only_mount_is_searched_but_not_changed(folder, tmp_path):
    mount = ["unshare", "-r", "-m", "sh", "-c", MOUNT, str(folder)]
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount (unshare -r -m)")
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [*mount, sys.executable, "-c", MOUNTED, str(folder), str(Path(__file__).parents[1])],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)},
    )
    assert done.stdout == "read\n", done.stderr
