"""OLE files, which no library writes: the containers of Outlook and of Office before 2007."""

from __future__ import annotations

import struct

import olefile

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def ole(streams):
    """An OLE file of streams by path, each padded with zeros to where no small streams are needed."""
    entries, children = [("Root Entry", 5, END, 0)], {"": []}
    sectors = b""
    numbers = {"": 0}
    chain = []
    for path, data in streams.items():
        *folders, name = path.split("/")
        folder = ""
        for title in folders:
            outer, folder = folder, f"{folder}/{title}".lstrip("/")
            if folder not in numbers:
                numbers[folder] = len(entries)
                entries.append((title, 1, END, 0))
                children[outer].append(numbers[folder])
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


def biff(kind, data):
    """A record of a workbook of Excel 97, and further ones where it is longer than a record."""
    parts = [data[at : at + 8224] for at in range(0, len(data), 8224)] or [b""]
    return b"".join(struct.pack("<HH", 0x3C if at else kind, len(part)) + part for at, part in enumerate(parts))


def drawn(kind, data, version=0, instance=0):
    """A record of a drawing of Office 97."""
    return struct.pack("<HHI", version | instance << 4, kind, len(data)) + data


def with_pictures(file, blips, sheet=0, group=None):
    """The file that xlwt has written with stored pictures, as (type, instance, data), which a sheet shows."""
    workbook = olefile.OleFileIO(file).openstream("Workbook").read()
    records, at = [], 0
    while at + 4 <= len(workbook):
        kind, length = struct.unpack_from("<HH", workbook, at)
        if kind == 0:
            break
        records.append([at, kind, workbook[at : at + 4 + length]])
        at += 4 + length
    stored = b"".join(
        drawn(0xF007, bytes(33) + b"\0\0\0" + drawn(kind, data, 0, instance), 2) for kind, instance, data in blips
    )
    group = biff(0xEB, group or drawn(0xF000, drawn(0xF001, stored, 15, min(len(blips), 4000)), 15))
    shapes = b"".join(
        drawn(0xF004, drawn(0xF00B, struct.pack("<HI", 0x4104, number), 3, 1), 15)
        for number in range(1, len(blips) + 1)
    )
    begins = [place for place, kind, _ in records if kind == 0x0809]
    end = next(number for number, (_, kind, _) in enumerate(records) if kind == 0x000A)
    records[end][2] = group + records[end][2]
    first = next(number for number, record in enumerate(records) if record[0] == begins[sheet + 1])
    records[first][2] += biff(0xEC, drawn(0xF002, shapes, 15))
    moved, place = {}, 0
    for at, kind, data in records:
        moved[at] = place + (len(group) if kind == 0x000A and at == records[end][0] else 0)
        place += len(data)
    for record in records:
        if record[1] == 0x0085:
            (old,) = struct.unpack_from("<I", record[2], 4)
            record[2] = record[2][:4] + struct.pack("<I", moved[old]) + record[2][8:]
    return ole({"Workbook": b"".join(data for _, _, data in records)})


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


def forwarded_outlook(make, depth=2):
    """A message of Outlook with a message attached, and so on; the innermost has a picture."""
    streams, folder = {}, ""
    for level in range(depth):
        streams |= {
            f"{folder}__properties_version1.0": bytes(32),
            f"{folder}__substg1.0_0037001F": f"Bees {level}".encode("utf-16-le"),
            f"{folder}__substg1.0_0C1A001F": "Zoë".encode("utf-16-le"),
            f"{folder}__substg1.0_1000001F": f"They fly at {level}.".encode("utf-16-le"),
        }
        folder += "__attach_version1.0_#00000000/"
        if level < depth - 1:
            folder += "__substg1.0_3701000D/"
    return ole(
        streams
        | {
            f"{folder}__substg1.0_37010102": make.image(make.picture()),
            f"{folder}__substg1.0_3707001F": "bee.png".encode("utf-16-le"),
        }
    )
