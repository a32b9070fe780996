"""Mail: the words that were written and the files that were sent, read without any library."""

import base64
import email.policy
import mailbox
from email.message import EmailMessage
from pathlib import Path

import pytest

from senseweave.errors import MediaError, PartError, PolicyError
from senseweave.media import Image, MediaPolicy, Text, collect


@pytest.fixture
def write_mail(make):
    """Make a message of text, HTML and attachments given as (data, type, name)."""

    def write(text="The bees fly.", *, html="", attachments=(), subject="Bees", inner=None):
        message = EmailMessage(policy=email.policy.SMTP)
        message["From"] = "Ann Öster <ann@example.org>"
        message["To"] = "bob@example.org"
        message["Subject"] = subject
        message["Date"] = "Fri, 27 Nov 2026 09:00:00 +0000"
        message["Message-ID"] = "<1@example.org>"
        message.set_content(text)
        if html:
            message.add_alternative(html, subtype="html")
        for data, kind, name in attachments:
            maintype, _, subtype = kind.partition("/")
            message.add_attachment(data, maintype=maintype, subtype=subtype, filename=name)
        if inner is not None:
            message.add_attachment(inner)
        return message

    return write


def read(message):
    return list(collect(bytes(message)))


def test_a_message_gives_its_subject_headers_and_words(write_mail):
    (text,) = read(write_mail("Honey is swéet.\n", subject="Bienenstöcke für Åsa"))
    assert text.mime_type == "message/rfc822"
    words = text.decode()
    assert words.startswith("Bienenstöcke für Åsa\n\nFrom: Ann Öster <ann@example.org>\nTo: bob@example.org\n")
    assert words.endswith("Honey is swéet.")
    assert "Message-ID" not in words


def test_attachments_are_media_of_their_own_and_not_words(make, write_mail, write_docx):
    picture, sound = make.image(make.picture(), "JPEG"), make.sound(make.tone())
    report = Path(write_docx("r.docx", ["the report"])).read_bytes()
    message = write_mail(
        attachments=[
            (picture, "image/jpeg", "höney.jpg"),
            (sound, "audio/wav", "talk.wav"),
            (report, "application/octet-stream", "r.docx"),
            (b"name,hives\nAnn,4\n", "text/csv", "hives.csv"),
        ]
    )
    found = read(message)
    assert [(media.modality, media.part_name) for media in found] == [
        ("text", None),
        ("image", "!/höney.jpg"),
        ("audio", "!/talk.wav"),
        ("text", "!/r.docx"),
        ("text", "!/hives.csv"),
    ]
    assert found[1].decode().size == (64, 48)
    assert found[2].duration == pytest.approx(1.0)
    assert found[3].decode() == "the report"
    assert found[4].decode().startswith("name,hives")
    assert found[0].decode().count("\n") < 10


def test_of_alternatives_the_plain_text_is_read_and_else_the_html(write_mail):
    both = read(write_mail("plain words", html="<html><body><p>other words</p></body></html>"))
    assert both[0].decode().endswith("plain words")
    only = read(write_mail("", html="<html><body><p>other words</p></body></html>"))
    assert only[0].decode().endswith("other words")


def test_a_picture_in_the_html_is_an_image(make, write_mail):
    message = write_mail("plain words", html="<html><body><img src='cid:a'></body></html>")
    message.get_payload()[1].add_related(make.image(make.picture()), "image", "png", cid="<a>")
    assert [media.modality for media in read(message)] == ["text", "image"]


def test_two_attachments_of_one_name_are_two_parts(make, write_mail):
    pictures = [(make.image(make.picture(seed=seed)), "image/png", "image.png") for seed in (1, 2)]
    _, first, second = read(write_mail(attachments=pictures))
    assert first.part_name != second.part_name
    assert (first.read(), second.read()) == (pictures[0][0], pictures[1][0])


def test_a_forwarded_message_is_a_message_inside(write_mail, make):
    inner = write_mail("the inner words", attachments=[(make.image(make.picture()), "image/png", "a.png")])
    found = read(write_mail("the outer words", inner=inner))
    assert [media.modality for media in found] == ["text", "text", "image"]
    assert found[1].decode().endswith("the inner words")
    assert found[2].part_name.endswith(".eml!/a.png")
    assert found[2].decode().size == (64, 48)


def test_an_attachment_of_another_kind_is_told(write_mail):
    found = read(write_mail(attachments=[(b"\x7fELF" + bytes(99), "application/octet-stream", "run")]))
    assert isinstance(found[1], PartError)
    assert "!/run" in str(found[1])


def test_a_mailbox_has_a_page_for_each_message(make, write_mail, tmp_path):
    box = mailbox.mbox(tmp_path / "box")
    box.add(mailbox.mboxMessage(write_mail("From the garden\nFrom here on: words.")))
    box.add(mailbox.mboxMessage(write_mail("two", attachments=[(make.image(make.picture()), "image/png", "a.png")])))
    box.flush()
    found = list(collect(tmp_path / "box"))
    assert [(media.modality, media.page, media.part_name) for media in found] == [
        ("text", 1, None),
        ("text", 2, None),
        ("image", 2, "!/2/a.png"),
    ]
    assert found[0].mime_type == "application/mbox"
    assert found[0].decode().endswith("From the garden\nFrom here on: words.")
    assert found[1].decode().endswith("two")
    assert Image(tmp_path / "box", part="2/a.png").decode().size == (64, 48)
    with pytest.raises(MediaError, match="has no page 3"):
        Text.open(tmp_path / "box", page=3).decode()


def test_a_saved_web_page_gives_its_words_and_pictures(make):
    message = EmailMessage()
    message["From"] = "<Saved by Blink>"
    message["Snapshot-Content-Location"] = "https://example.org/bees"
    message["Subject"] = "All about bees"
    message.set_content("<html><body><h1>Bees</h1><p>They fly.</p></body></html>", subtype="html")
    message.make_related()
    message.add_related(make.image(make.picture()), "image", "png")
    message.get_payload()[1]["Content-Location"] = "https://example.org/pictures/bee.png?size=2"
    text, picture = read(message)
    assert text.decode().startswith("All about bees")
    assert "They fly." in text.decode()
    assert picture.part_name == "!/bee.png"


@pytest.mark.parametrize(
    "note",
    [
        "Shopping: milk\nBread: two\nTime: noon\n",
        "From: the garden\nTo: the house\nDistance: 5 m\n",
        "From then on 2020 was odd\nReally: it was\n",
        "From the desk of Ann, 10:00\nTo: everyone\n\nThe bees fly.\n",
    ],
)
def test_notes_with_colons_stay_notes(note):
    (text,) = collect(note.encode())
    assert (text.mime_type, text.decode()) == ("text/plain", note)


def test_messages_nested_deeper_than_allowed_are_refused(write_mail):
    message = write_mail("innermost")
    for _ in range(5):
        message = write_mail("around", inner=message)
    found = list(collect(bytes(message), policy=MediaPolicy(max_depth=3)))
    assert isinstance(found[-1], PolicyError)
    assert "max_depth" in str(found[-1])
    assert sum(not isinstance(media, MediaError) for media in found) == 4


def test_a_message_of_boundaries_within_boundaries_ends(write_mail):
    parts = "".join(f"--b{at}\r\nContent-Type: multipart/mixed; boundary=b{at + 1}\r\n\r\n" for at in range(2000))
    head = "From: a@b\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
    (found,) = collect((head + parts).encode())
    assert isinstance(found, MediaError)
    assert "nested" in str(found) or "broken" in str(found)


def test_an_unknown_charset_is_no_error():
    data = b"From: a@b\nMIME-Version: 1.0\nSubject: =?x-none?q?a?=\nContent-Type: text/plain; charset=x-none\n\nwords\n"
    (text,) = collect(data)
    assert text.decode().endswith("words")


def test_a_message_of_apples_mail_is_read_without_its_properties(write_mail, make):
    data = bytes(write_mail("The bees fly.", attachments=[(make.image(make.picture()), "image/png", "a.png")]))
    properties = b'<?xml version="1.0"?><plist><dict><key>flags</key><integer>1</integer></dict></plist>'
    text, picture = collect(f"{len(data):<10}\n".encode() + data + properties)
    assert text.decode().endswith("The bees fly.")
    assert picture.decode().size == (64, 48)


def test_signatures_and_the_styles_of_a_page_are_no_attachments(write_mail):
    signature = (b"0\x82", "application/pkcs7-signature", "smime.p7s")
    (text,) = read(write_mail(attachments=[signature]))
    assert text.decode().endswith("The bees fly.")
    page = (
        "From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x\r\n"
        "Content-Type: text/html\r\n\r\n<html><p>Bees</p></html>\r\n--x\r\nContent-Type: text/css\r\n"
        "Content-Location: http://x/a.css\r\n\r\np{color:red}\r\n--x--"
    )
    (text,) = collect(page.encode())
    assert text.decode().endswith("Bees")
    attached = read(write_mail(attachments=[(b"p{color:red}", "text/css", "a.css")]))
    assert [media.part_name for media in attached] == [None, "!/a.css"]


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/encrypted; boundary=x\r\n\r\n--x\r\n\r\nVersion: 1\r\n--x\r\n\r\nnoise\r\n--x--",
        "application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB",
    ],
)
def test_of_an_encrypted_message_the_headers_are_read_and_a_note_says_so(kind):
    message = f"From: a@b\r\nSubject: Bees\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n"
    (text,) = collect(message.encode())
    assert text.decode() == "Bees\n\nFrom: a@b"
    assert text.notes == ("of an encrypted message only the headers were read; save it decrypted",)


@pytest.mark.parametrize(
    ("charset", "declared", "name"),
    [
        ("latin-1", "iso-8859-1", "Jörg Grün"),
        ("utf-8", "iso-8859-1", "Jörg Grün"),
        ("koi8-r", "koi8-r", "Иван"),
        ("cp1252", "no-such-set", "Jörg Grün"),
    ],
)
def test_letters_that_stand_in_a_header_unencoded_are_read(charset, declared, name):
    kind = f"Content-Type: text/plain; charset={declared}"
    lines = [f"From: {name} <a@b.c>", "Subject: Hallo", "Message-ID: <2@b>", kind]
    (text,) = read("\r\n".join([*lines, "", "words"]).encode(charset))
    assert f"From: {name} <a@b.c>" in text.decode()


@pytest.mark.parametrize(
    ("words", "declared", "written"),
    [
        ("“Zoë”, 20 €", "iso-8859-1", "cp1252"),
        ("朱镕基来信", "gb2312", "gbk"),
        ("髙島屋①", "shift_jis", "cp932"),
        ("똠방각하", "euc-kr", "cp949"),
        ("Zoë", "x-unknown", "utf-8"),
    ],
)
def test_letters_beyond_the_declared_charset_are_read_as_its_programs_write_them(words, declared, written):
    packed = f"=?{declared}?b?{base64.b64encode(words.encode(written)).decode()}?="
    head = (
        f"From: Ann {packed} <a@b.org>\nSubject: Re: {packed}\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain; charset="{declared}"\n\n'
    )
    file = f'\n--B\nContent-Type: text/csv; name="{packed}"\nContent-Disposition: attachment\n\na,b\n--B--\n'
    text, attached = collect(head.encode() + words.encode(written) + file.encode())
    assert text.decode() == f"Re: {words}\n\nFrom: Ann {words} <a@b.org>\n\n{words}"
    assert attached.part_name == f"!/{words}"


def test_a_subject_of_bare_and_encoded_words_is_read():
    head = "From: a@b.org\nSubject: Grüße =?utf-8?q?f=C3=BCr?= Åsa\nMIME-Version: 1.0\n\nThe bees fly.\n"
    (text,) = collect(head.encode())
    assert text.decode().startswith("Grüße für Åsa\n")


def test_a_subject_in_broken_base64_costs_no_message():
    (text,) = collect(b"From: a@b.org\nSubject: =?utf-8?b?abcde?=\nMIME-Version: 1.0\n\nThe bees fly.\n")
    assert text.decode() == "=?utf-8?b?abcde?=\n\nFrom: a@b.org\n\nThe bees fly."
