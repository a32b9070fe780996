"""Texts that tests search by words, and notes that each have a number of their own."""

import senseweave as sw

TEXTS = [
    "The pump needs part 4711-B after two years.",
    "Error E_CONN-042 means that the server does not answer.",
    "Version v2.3.1 mends the upload of pictures.",
    "Call getUserName before you open /etc/settings/user_names.toml.",
    "Zoë Müller wrote the handbook in Łódź.",
    "東京都の天気は晴れです",
    "The bear is fed at noon and in the evening.",
    "Never open the gate while the bear is awake.",
    *(f"Note {number} of the day: nothing happened at station {number}." for number in range(20)),
]


def note(number):
    """Return a note with a number of its own."""
    return sw.Text(f"Valve QZ-{number:03} of hall {number % 5} was looked at.", source=f"note {number}")


def finds(index, number):
    """Return whether a search by words finds the note of a number."""
    hits = index.search(f"QZ-{number:03}", k=1, words=True)
    return bool(hits) and hits[0].text.startswith(f"Valve QZ-{number:03}") and hits[0].score > 3
