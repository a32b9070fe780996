"""What may be read is decided in one place."""

import io
import os
import pickle
from pathlib import Path

import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Audio, Image, MediaPolicy, Text, Video, collect


def test_a_root_confines_paths(make, saved, tmp_path):
    inside, outside = saved("in/a.png", make.image(make.picture())), saved("out/b.png", make.image(make.picture()))
    policy = MediaPolicy(root=tmp_path / "in")
    assert Image(inside, policy=policy).decode().size == (64, 48)
    for path in (outside, f"{tmp_path}/in/../out/b.png", f"file://{outside}", f"file://{tmp_path}/in/%2e%2e/out/b.png"):
        with pytest.raises(PolicyError, match="outside the policy's root"):
            Image(path, policy=policy).decode()


def test_a_sibling_whose_name_begins_like_the_root_is_outside(make, saved, tmp_path):
    (tmp_path / "in").mkdir()
    path = saved("in-secret/a.png", make.image(make.picture()))
    with pytest.raises(PolicyError):
        Image(path, policy=MediaPolicy(root=tmp_path / "in")).decode()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_that_leaves_the_root_is_refused(make, saved, tmp_path, kind):
    outside = saved("out/b.png", make.image(make.picture()))
    (tmp_path / "in").mkdir()
    link = tmp_path / "in" / "link"
    link.symlink_to(outside if kind == "file" else tmp_path / "out")
    path = link if kind == "file" else link / "b.png"
    assert Image(path).decode().size == (64, 48)
    with pytest.raises(PolicyError):
        Image(path, policy=MediaPolicy(root=tmp_path / "in")).decode()


def test_a_link_that_stays_in_the_root_is_followed(make, saved, tmp_path):
    saved("in/a.png", make.image(make.picture()))
    (tmp_path / "in" / "link").symlink_to(tmp_path / "in" / "a.png")
    assert Image(tmp_path / "in" / "link", policy=MediaPolicy(root=tmp_path / "in")).decode().size == (64, 48)


def test_bytes_are_the_same_under_any_root(make, tmp_path):
    assert Image(make.image(make.picture()), policy=MediaPolicy(root=tmp_path)).decode().size == (64, 48)


@pytest.mark.parametrize("kind", [Image, Audio, Video, Text.open])
def test_anything_but_a_regular_file_is_refused_without_waiting(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        with pytest.raises(MediaError, match=r"not a regular file|cannot be opened"):
            kind(path).decode()


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "no/such/file", "loop"])
def test_a_path_that_cannot_be_opened_is_an_error(tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(MediaError) as error:
        Image(path).decode()
    assert len(str(error.value)) < 300


def test_a_file_without_permission_is_an_error(saved):
    path = saved("a.png", b"words")
    os.chmod(path, 0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(MediaError, match="cannot be opened"):
        Image(path).decode()


@pytest.mark.parametrize("form", ["path", "bytes", "stream", "data uri"])
def test_the_size_is_bounded_in_every_form(saved, form):
    import base64

    data = bytes(1001)
    given = {
        "path": saved("a", data),
        "bytes": data,
        "stream": io.BytesIO(data),
        "data uri": "data:;base64," + base64.b64encode(data).decode(),
    }[form]
    with pytest.raises(PolicyError, match=r"1,00\d bytes; the policy allows 1,000"):
        Image(given, policy=MediaPolicy(max_bytes=1000)).decode()


def test_an_endless_stream_is_read_no_further_than_allowed():
    class Endless(io.RawIOBase):
        given = 0

        def readable(self):
            return True

        def read(self, count=-1):
            self.given += count
            return bytes(count)

    endless = Endless()
    with pytest.raises(PolicyError, match="max_bytes"):
        Image(endless, policy=MediaPolicy(max_bytes=10_000)).decode()
    assert endless.given <= 20_002


def test_a_text_stream_is_an_error_that_says_how_to_open_it():
    with pytest.raises(MediaError, match="binary mode"):
        Image(io.StringIO("words")).decode()


def test_types_can_be_restricted(make):
    policy = MediaPolicy(mime_types=("image/png", "audio/*"))
    assert Image(make.image(make.picture()), policy=policy).decode().size == (64, 48)
    assert Audio(make.sound(make.tone()), policy=policy).decode().duration == 1
    with pytest.raises(PolicyError, match="is image/jpeg; the policy allows image/png"):
        Image(make.image(make.picture(), "JPEG"), policy=policy).decode()


def test_the_network_is_off_unless_allowed():
    for url in ("http://example.com/a.png", "https://example.com/a.png", "HTTPS://example.com/a.png"):
        with pytest.raises(PolicyError, match="allows no network"):
            Image(url).decode()
    (found,) = collect("https://example.com/a.png")
    assert isinstance(found, PolicyError)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/a", "s3://bucket/a", "memory://a", "smb://h/a", "zip://a::http://h/b.zip"]
)
def test_other_schemes_are_off_unless_allowed(url):
    with pytest.raises(PolicyError):
        Image(url, policy=MediaPolicy(network=True)).decode()


@pytest.mark.parametrize("url", ["local:///etc/passwd", "dir://x::file:///etc", "simplecache::file:///etc/passwd"])
def test_local_files_cannot_be_reached_through_fsspec(url):
    policy = MediaPolicy(root="/tmp", filesystems={"local", "dir", "simplecache", "file"})
    with pytest.raises(PolicyError):
        Text.open(url, policy=policy).decode()


def test_a_file_url_on_another_machine_is_refused():
    with pytest.raises(PolicyError, match="another machine"):
        Image("file://server/share/a.png")


def test_a_policy_travels_and_compares():
    policy = MediaPolicy(root="/tmp", network=True, trusted_hosts={"a"}, mime_types="image/*")
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert policy.mime_types == ("image/*",)
    assert hash(policy)


LIMITS = ["max_bytes", "max_text_bytes", "max_pixels", "max_seconds", "max_pages", "timeout", "decode_timeout"]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_must_be_greater_than_0(limit, value):
    with pytest.raises(ValueError, match=f"{limit} must be greater than 0, not {value}"):
        MediaPolicy(**{limit: value})


@pytest.mark.parametrize("limit", LIMITS)
def test_any_limit_greater_than_0_is_accepted(limit):
    assert getattr(MediaPolicy(**{limit: 0.5}), limit) == 0.5


def test_decoded_values_are_bounded_too(make):
    sound = make.sound(make.tone(2, 16_000), 16_000)
    with pytest.raises(PolicyError, match="decode it in windows"):
        Audio(sound, policy=MediaPolicy(max_bytes=len(sound) + 100)).decode()
    video = make.container("mp4", frames=make.frames(range(25)))
    with pytest.raises(PolicyError, match="fewer frames"):
        Video(video, policy=MediaPolicy(max_bytes=len(video) + 100)).decode(frames=1000)
    with pytest.raises(PolicyError, match="max_text_bytes"):
        Text.open(b"words " * 1000, policy=MediaPolicy(max_text_bytes=1000)).decode()


def test_the_defaults_are_those_that_the_documentation_states():
    policy = MediaPolicy()
    assert (policy.root, policy.network, policy.mime_types) == (None, False, None)
    assert (policy.trusted_hosts, policy.filesystems) == (frozenset(), frozenset())
    assert (policy.max_bytes, policy.max_text_bytes) == (2_147_483_648, 67_108_864)  # 2 GiB, 64 MiB
    assert (policy.max_pixels, policy.max_seconds, policy.max_pages) == (64_000_000, 14_400, 5000)
    assert (policy.timeout, policy.decode_timeout, policy.max_redirects) == (30, 300, 5)


def test_an_unchanged_file_is_opened_again_without_resolving_its_path(saved, monkeypatch):
    path = Path(saved("a.txt", b"words"))
    policy = MediaPolicy()
    file, checked = policy.open_file(str(path))
    file.close()
    assert (checked.real, checked.size) == (path.resolve(), 5)
    monkeypatch.setattr(MediaPolicy, "resolve", None)
    file, again = policy.open_file(str(path), checked)
    with file:
        assert file.read() == b"words"
    assert again is checked
    with pytest.raises(AttributeError):
        checked.size = 6


def test_a_size_equal_to_a_limit_is_allowed_and_a_larger_size_is_refused():
    policy = MediaPolicy(max_bytes=10, max_text_bytes=4, max_pixels=12, max_seconds=0.5)
    policy.check_bytes("a", 10)
    policy.check_decoded("a", 10)
    policy.check_text("a", 4)
    policy.check_pixels("a", 4, 3)
    policy.check_seconds("a", 0.5)
    for check, size in (
        (policy.check_bytes, (11,)),
        (policy.check_decoded, (11,)),
        (policy.check_text, (5,)),
        (policy.check_pixels, (13, 1)),
        (policy.check_pixels, (2, 7)),
        (policy.check_seconds, (0.51,)),
    ):
        with pytest.raises(PolicyError, match="the policy allows"):
            check("a", *size)


def test_a_file_that_changed_since_it_was_checked_is_checked_anew(saved):
    path = Path(saved("a.txt", b"words"))
    policy = MediaPolicy(max_bytes=8)
    file, checked = policy.open_file(str(path))
    file.close()
    path.write_bytes(b"many more words")
    with pytest.raises(PolicyError, match="has 15 bytes"):
        policy.open_file(str(path), checked)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (OSError("the drive is gone"), "the drive is gone"),
    ],
)
def test_a_file_that_cannot_be_opened_is_an_error_with_the_reason_of_the_system(saved, monkeypatch, error, reason):
    path = saved("a.txt", b"words")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(MediaError) as raised:
        MediaPolicy().open_file(str(path))
    assert raised.value.reason == f"cannot be opened ({reason})"


@pytest.mark.parametrize("change", ["another file at the same path", "a link to the same file elsewhere"])
def test_a_path_that_changes_while_it_is_opened_is_refused(tmp_path, monkeypatch, change):
    file, link, twin = tmp_path / "file", tmp_path / "link", tmp_path / "twin"
    file.write_bytes(b"words")
    os.link(file, twin)
    link.symlink_to(file)
    opened = os.open

    def open_then_change(*arguments):
        descriptor = opened(*arguments)
        if change == "another file at the same path":
            file.unlink()
            file.write_bytes(b"other words")
        else:
            link.unlink()
            link.symlink_to(twin)
        return descriptor

    monkeypatch.setattr(os, "open", open_then_change)
    with pytest.raises(PolicyError, match="was replaced while it was being opened"):
        MediaPolicy().open_file(str(link))


def test_files_are_read_on_systems_that_lack_the_flags_of_unix(saved, monkeypatch):
    for flag in ("O_NONBLOCK", "O_NOFOLLOW"):
        monkeypatch.delattr(os, flag)
    file, _ = MediaPolicy().open_file(str(saved("a.txt", b"words")))
    with file:
        assert file.read() == b"words"


@pytest.mark.parametrize("length", [80, 81])
def test_an_invalid_path_is_quoted_up_to_80_characters(length):
    path = "a\0" + "b" * (length - 2)
    with pytest.raises(MediaError, match="is not a valid path") as error:
        MediaPolicy().resolve(path)
    assert error.value.source == (path if length == 80 else path[:79] + "…")


@pytest.mark.parametrize(("old", "known"), [("/gone/photos", "/2024/a.png"), (r"D:\photos", r"\2024\a.png")])
@pytest.mark.parametrize("ending", ["", "/"])
def test_files_that_moved_are_read_where_they_are_now_under_the_name_that_is_known(
    make, saved, tmp_path, old, known, ending
):
    path = saved("archive/2024/a.png", make.image(make.picture()))
    policy = MediaPolicy(moved={old + ending: str(tmp_path / "archive")}, root=tmp_path)
    image = Image(old + known, policy=policy)
    assert (image.sha256, image.source) == (Image(path).sha256, old + known)
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert hash(policy)


def test_only_whole_names_of_folders_are_mapped_and_the_root_still_holds(make, saved, tmp_path):
    saved("archive/a.png", make.image(make.picture()))
    policy = MediaPolicy(moved={"/gone": str(tmp_path / "archive")}, root=tmp_path / "archive")
    assert Image("/gone/a.png", policy=policy).decode().size == (64, 48)
    with pytest.raises(MediaError, match="no such file"):
        Image("/gone-2/a.png", policy=policy).decode()
    saved("b.png", make.image(make.picture()))
    with pytest.raises(PolicyError, match="outside the policy's root"):
        Image("/gone/../b.png", policy=policy).decode()
