"""OLE files, which no library writes: the containers of Outlook and of Office before 2007."""

from __future__ import annotations

import struct

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def ole(streams):
    """An OLE file of streams by path, each padded with zeros to where no small streams are needed."""
    entries, children = [("Root Entry", 5, END, 0)], {"": []}
    sectors = b""
    numbers = {"": 0}
    chain = []
    for path, data in streams.items():
        folder, _, name = path.rpartition("/")
        if folder not in numbers:
            numbers[folder] = len(entries)
            entries.append((folder, 1, END, 0))
            children[""].append(numbers[folder])
            children[folder] = []
        data = data.ljust(4096, b"\0")
        children[folder].append(len(entries))
        entries.append((name, 2, len(chain), len(data)))
        count = -(-len(data) // 512)
        chain += [*range(len(chain) + 1, len(chain) + count), END]
        sectors += data.ljust(count * 512, b"\0")
        numbers[path] = len(entries) - 1
    following, first = {}, {}
    for folder, members in children.items():
        first[numbers[folder]] = members[0] if members else FREE
        following |= dict(zip(members, [*members[1:], FREE], strict=True)) if members else {}
    directory = b""
    for at, (name, kind, start, size) in enumerate(entries):
        title = f"{name}\0".encode("utf-16-le")
        directory += title.ljust(64, b"\0") + struct.pack(
            "<HBBIII16xI16xIIxxxx",
            len(title), kind, 1, FREE, following.get(at, FREE), first.get(at, FREE), 0, start, size,
        )  # fmt: skip
    place = len(chain)
    count = -(-len(directory) // 512)
    chain += [*range(place + 1, place + count), END]
    sectors += directory.ljust(count * 512, b"\0")
    tables = 1
    while (len(chain) + tables) * 4 > tables * 512:
        tables += 1
    assert tables <= 109
    begin = len(chain)
    chain += [FAT] * tables
    sectors += struct.pack(f"<{len(chain)}I", *chain).ljust(tables * 512, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 62, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, tables, place, 0, 4096, END, 0, END, 0)
    header += struct.pack("<109I", *range(begin, begin + tables), *[FREE] * (109 - tables))
    return header + sectors


def outlook(make, **body):
    attachment = "__attach_version1.0_#00000000/__substg1.0_"
    return ole(
        {
            "__properties_version1.0": bytes(32),
            "__substg1.0_0037001F": "Bienenstöcke".encode("utf-16-le"),
            "__substg1.0_0C1A001F": "Ann".encode("utf-16-le"),
            "__substg1.0_0E04001E": "Zoë Müller of Köln".encode("latin-1"),
            **body,
            f"{attachment}37010102": make.image(make.picture()),
            f"{attachment}3707001F": "bee.png".encode("utf-16-le"),
        }
    )
