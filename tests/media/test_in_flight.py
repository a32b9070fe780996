"""Pictures in memory at once are bounded by their pixels, whatever the number of threads, and nobody waits forever."""

from __future__ import annotations

import threading
import time

import pytest
from PIL import Image as PILImage

from senseweave.media import Image, Video
from senseweave.media.reading import in_flight
from senseweave.media.reading.in_flight import claim_pixels, decoding, managing_memory


@pytest.fixture(autouse=True)
def small_budget(monkeypatch):
    monkeypatch.setattr(in_flight, "PIXELS_IN_FLIGHT", 100)
    monkeypatch.setattr(in_flight, "_room", in_flight._Room(in_flight.forks()))


def run_all(works):
    """Run functions in threads of their own, all at once; raise what one raised, or if one does not end."""
    errors = []

    def run(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "waits forever"
    if errors:
        raise errors[0]


class Load:
    """The pixels that are in flight, and the most that ever were."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = self.most_at_once = self.count = 0

    def carry(self, pixels):
        with decoding():
            claim_pixels(pixels)
            with self.lock:
                self.now, self.count = self.now + pixels, self.count + 1
                self.most, self.most_at_once = max(self.most, self.now), max(self.most_at_once, self.count)
            time.sleep(0.005)
            with self.lock:
                self.now, self.count = self.now - pixels, self.count - 1


def test_pictures_in_flight_stay_within_the_budget():
    load = Load()
    run_all([lambda: load.carry(40)] * 12)
    assert load.most == 80
    assert load.now == 0


def test_a_picture_beyond_the_budget_is_decoded_alone():
    load = Load()
    run_all([lambda: load.carry(1000)] * 3 + [lambda: load.carry(30)] * 6)
    assert load.most == 1000
    assert in_flight._room.free == 100


def test_a_second_claim_of_the_same_picture_never_waits():
    def windows():
        with decoding():
            for pixels in (60, 90, 20, 100):
                claim_pixels(pixels)
                time.sleep(0.002)

    run_all([windows] * 6)
    assert in_flight._room.free == 100


def test_an_error_gives_back_what_was_claimed():
    def fail():
        with decoding():
            claim_pixels(70)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert in_flight._room.free == 100


def test_nothing_is_claimed_outside_of_a_block():
    claim_pixels(1000)
    assert in_flight._room.free == 100


@pytest.mark.parametrize(("at_least", "pixels"), [(None, 80 * 60), ((40, 30), 40 * 30), ((11, 7), 20 * 15)])
def test_a_jpeg_claims_the_pixels_that_are_decoded(make, at_least, pixels):
    data = make.image(make.picture(80, 60), "JPEG")
    with decoding():
        Image(data).decode(at_least=at_least)
        assert in_flight._own.claim.pixels == pixels


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_every_image_claims_its_pixels(make, kind):
    with decoding():
        Image(make.image(make.picture(80, 60), kind), page=1 if kind == "TIFF" else None).decode()
        assert in_flight._own.claim.pixels == 80 * 60


def test_a_clip_claims_the_pixels_of_all_its_frames(make):
    film = make.container("mp4", frames=make.frames(range(10)))
    height, width = make.frames([0])[0].shape[:2]
    with decoding():
        Video(film).decode(frames=4)
        assert in_flight._own.claim.pixels == 4 * width * height


def test_pillow_keeps_memory_within_the_block_and_as_it_was_after_it():
    core = PILImage.core

    def settings():
        return core.get_blocks_max(), core.get_block_size()

    before = settings()
    inside = max(before[0], in_flight.BLOCKS_KEPT), max(before[1], in_flight.BLOCK_BYTES)
    with managing_memory():
        assert settings() == inside
        with managing_memory():
            pass
        assert settings() == inside
    assert settings() == before


def test_pictures_are_decoded_in_memory_that_is_used_again(make):
    """A second picture takes the block that the first has left."""
    core = PILImage.core
    data = make.image(make.picture(800, 600))
    with managing_memory():
        Image(data).decode()
        core.reset_stats()
        Image(data).decode()
        assert core.get_stats()["reused_blocks"] > 0
