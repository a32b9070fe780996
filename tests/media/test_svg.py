"""Vector graphics: words and a drawing, which reaches for no other file."""

import numpy as np
import pytest

from senseweave.errors import MediaError, PolicyError
from senseweave.media import Image, MediaPolicy, Text, collect

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20">'
RED = '<rect width="20" height="20" fill="#ff0000"/>'


def svg(body, head=HEAD):
    return f'<?xml version="1.0"?>\n{head}{body}</svg>'.encode()


def test_a_drawing_is_its_words_and_an_image():
    text, image = collect(svg(f"<title>A flag</title>{RED}<text x='22' y='9'>half <tspan>red</tspan></text>"))
    assert (text.modality, text.page, text.mime_type) == ("text", 1, "image/svg+xml")
    assert text.decode() == "A flag\n\nhalf red"
    drawn = np.asarray(image.decode())
    assert drawn.shape == (512, 1024, 3)
    assert drawn[256, 100].tolist() == [255, 0, 0]
    assert drawn[500, 1000].tolist() == [255, 255, 255]


def test_a_drawing_without_words_is_an_image_alone():
    (image,) = collect(svg(RED))
    assert image.modality == "image"
    assert Image(svg(RED)).decode().size == (1024, 512)
    assert Text.open(svg(RED)).decode() == ""


def test_a_drawing_reaches_for_no_other_file(make, saved):
    path = saved("secret.png", make.image(np.zeros((20, 20, 3), np.uint8)))
    for link in (path, f"file://{path}", "secret.png", "http://127.0.0.1/a.png"):
        for name in ("href", "xlink:href"):
            drawn = np.asarray(Image(svg(f'<image {name}="{link}" width="20" height="20"/>')).decode())
            assert (drawn == 255).all()


def test_entities_and_endless_use_are_refused():
    with pytest.raises(PolicyError, match="XML entities"):
        Image(svg(f"{RED}<text>&a;</text>", f'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>{HEAD}')).decode()
    uses = "".join(f'<g id="g{at}">{f"""<use href="#g{at + 1}"/>""" * 10}</g>' for at in range(12))
    with pytest.raises(PolicyError, match="elements"):
        Image(svg(f'{uses}<g id="g12">{RED}</g>')).decode()
    circle = '<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>'
    with pytest.raises(MediaError, match="nodes limit"):
        Image(svg(f"{circle}{RED}")).decode()


def test_entities_that_illustrator_declares_are_read():
    declared = (
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [\n'
        '\t<!ENTITY ns_svg "http://www.w3.org/2000/svg">\n\t<!ENTITY st0 "fill:#FF0000;">\n]>\n'
    )
    drawing = f'{declared}<svg xmlns="&ns_svg;" width="40" height="20"><title>Flag</title>'
    drawing += '<rect width="20" height="20" style="&st0;"/></svg>'
    for data in (drawing.encode(), f'<?xml version="1.0"?>\n{drawing}'.encode()):
        text, image = collect(data)
        assert text.decode() == "Flag"
        assert np.asarray(image.decode())[256, 100].tolist() == [255, 0, 0]


def test_entities_that_would_swell_are_refused():
    long = f'<!DOCTYPE svg [<!ENTITY a "{"a" * 900}">]>{HEAD}{RED}<text>{"&a;" * 90_000}</text></svg>'
    with pytest.raises(PolicyError, match="max_text_bytes"):
        Image(long.encode()).decode()
    nested = f'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>{HEAD}{RED}<text>&b;</text></svg>'
    with pytest.raises(PolicyError, match="XML entities"):
        Image(nested.encode()).decode()


@pytest.mark.parametrize(
    "size", ['width="1e9" height="1"', 'width="1" height="1e9"', 'width="0" height="9"', 'viewBox="0 0 9 90000000"', ""]
)
def test_a_drawing_of_any_size_is_an_image_of_bounded_size(size):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="width:1e9px">'
    assert max(Image(svg(RED, head)).decode().size) == 1024


def test_a_drawing_that_takes_too_much_memory_is_an_error():
    tile = 'width="9e8" height="9e8" patternUnits="userSpaceOnUse"'
    pattern = f'<pattern id="p" {tile}><rect width="9e8" height="9"/></pattern>'
    try:
        drawn = Image(svg(f'{pattern}<rect width="40" height="20" fill="url(#p)"/>')).decode()
    except MediaError as error:
        drawn = error
    assert getattr(drawn, "size", None) == (1024, 512) or "broken drawing" in str(drawn)


def test_the_policy_limits_pixels():
    with pytest.raises(PolicyError, match="max_pixels"):
        Image(svg(RED), policy=MediaPolicy(max_pixels=1000)).decode()
