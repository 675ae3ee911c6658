"""Entries as they cross between the runtime and a cell: pages on their way out, rows on their way in.

The form of the bytes is that of docs/formats/page.md, format 1. A page that breaks its rules is refused whole.
"""

import json
import struct

PAGE_FORMAT = 1
ID_BYTES = 12
NO_ID = bytes(ID_BYTES)

_PAGE = struct.Struct("<4sIII")
_RECORD = struct.Struct("<12sHHIIIIdd")
_ROWS = struct.Struct("<4sI")
_ROW = struct.Struct("<12sHHIII")
_PAGE_MAGIC, _ROWS_MAGIC = b"CPG1", b"CRW1"
_INVALID = 1
# From the beginning of an entry to its metadata, and from their end to its data, bytes.
_TO_METADATA, _TO_DATA = 109, 8


class Failure(Exception):
    """The runtime refused, or a cell gives up: a code such as `denied`, and words for people."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}" if code else text)
        self.code = code
        self.text = text


class Entry:
    """One entry. Metadata and data are parsed when they are asked for, and then kept."""

    __slots__ = ("id", "key", "invalid", "write_ts", "time", "metadata_text", "data_text", "_metadata", "_data")

    def __init__(self, id, key, invalid, write_ts, time, metadata_text, data_text):
        self.id = id
        """24 digits in hex, for `Output.replace`, `find_ids` and so on."""
        self.key = key
        """Such as `background/location`."""
        self.invalid = invalid
        """Whether it is marked invalid; only a query with `with_invalid` finds such entries."""
        self.write_ts = write_ts
        """When the phone or a stage wrote it, s."""
        self.time = time
        """The time that the query asked by, s; NaN where the entry has none."""
        self.metadata_text = metadata_text
        """JSON, in bytes."""
        self.data_text = data_text
        """JSON, in bytes."""
        self._metadata = self._data = None

    @property
    def metadata(self):
        if self._metadata is None:
            self._metadata = json.loads(self.metadata_text)
        return self._metadata

    @property
    def data(self):
        if self._data is None:
            self._data = json.loads(self.data_text)
        return self._data

    def __repr__(self):
        # Without its content: it might be of a place.
        return f"<Entry {self.id} of {self.key}>"


class Columns:
    """Rows of locations, column by column; every column has as many values. An absent number is NaN."""

    __slots__ = (
        "ids",
        "ts",
        "write_ts",
        "latitude",
        "longitude",
        "accuracy",
        "filter",
        "device",
        "devices",
    )

    def __init__(self, cursor):
        self.ids = split_ids(cursor.ids())
        self.ts = cursor.ts()
        """When each was taken, s."""
        self.write_ts = cursor.write_ts()
        """When the phone or a stage wrote each, s."""
        self.latitude = cursor.latitude()
        """Degrees."""
        self.longitude = cursor.longitude()
        """Degrees."""
        self.accuracy = cursor.accuracy()
        """m."""
        self.filter = cursor.filter()
        """0 absent, 1 `time`, 2 `distance`, 3 anything else."""
        self.device = cursor.device()
        """0 for none, otherwise the place in `devices` plus one; empty where no entry names a device."""
        self.devices = cursor.devices()

    def __len__(self):
        return len(self.ts)


def json_text(value):
    """JSON with sorted members, in bytes: the same value always gives the same bytes. NaN is a ValueError."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def split_ids(packed):
    """Ids in hex from their packed form."""
    text = bytes(packed).hex()
    return [text[at : at + 2 * ID_BYTES] for at in range(0, len(text), 2 * ID_BYTES)]


def pack_ids(ids):
    """The packed form of ids in hex."""
    packed = b"".join(bytes.fromhex(id) for id in ids)
    if len(packed) != ID_BYTES * len(ids):
        raise ValueError(f"an id has {2 * ID_BYTES} digits in hex")
    return packed


def read_page(page):
    """The entries of a page, in order."""
    try:
        return list(_entries(page))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"a page of {len(page)} bytes is not in format {PAGE_FORMAT}") from error


def _entries(page):
    magic, count, begin, length = _PAGE.unpack_from(page)
    names_at = _PAGE.size + count * _RECORD.size
    if magic != _PAGE_MAGIC or not names_at <= begin <= begin + length <= len(page):
        raise IndexError
    names = _names(page, names_at, begin)
    payload = page[begin : begin + length]
    for number in range(count):
        at = _PAGE.size + number * _RECORD.size
        id, key, flags, offset, size, meta, data, write_ts, time = _RECORD.unpack_from(page, at)
        meta_at = offset + _TO_METADATA
        data_at = meta_at + meta + _TO_DATA
        if not data_at + data <= offset + size <= length:
            raise IndexError
        metadata_text, data_text = payload[meta_at : meta_at + meta], payload[data_at : data_at + data]
        invalid = bool(flags & _INVALID)
        yield Entry(id.hex(), names[key], invalid, write_ts, time, metadata_text, data_text)


def _names(page, at, end):
    (count,) = struct.unpack_from("<H", page, at)
    at += 2
    names = []
    for _ in range(count):
        (length,) = struct.unpack_from("<H", page, at)
        at += 2
        if at + length > end:
            raise IndexError
        names.append(page[at : at + length].decode())
        at += length
    return names


def write_page(entries, user):
    """A page of these entries, as the runtime packs them; for runtimes of tests. `user`: 32 digits in hex."""
    names = sorted({entry.key for entry in entries})
    payload, records = bytearray(), bytearray()
    for entry in entries:
        if payload:
            payload += b","
        offset, metadata, data = len(payload), entry.metadata_text, entry.data_text
        head = f'{{"_id":{{"$oid":"{entry.id}"}},"user_id":{{"$uuid":"{user}"}},"metadata":'
        payload += head.encode() + metadata + b',"data":' + data
        payload += b',"invalid":true}' if entry.invalid else b"}"
        size, flags = len(payload) - offset, _INVALID if entry.invalid else 0
        id, key = bytes.fromhex(entry.id), names.index(entry.key)
        times = entry.write_ts, entry.time
        records += _RECORD.pack(id, key, flags, offset, size, len(metadata), len(data), *times)
    packed_names = struct.pack("<H", len(names))
    for name in names:
        packed_names += struct.pack("<H", len(name.encode())) + name.encode()
    begin = _PAGE.size + len(records) + len(packed_names)
    return _PAGE.pack(_PAGE_MAGIC, len(entries), begin, len(payload)) + bytes(records) + packed_names + bytes(payload)


class Rows:
    """Rows that are being packed."""

    def __init__(self):
        self.count = 0
        self._packed = bytearray()

    def __len__(self):
        return len(self._packed)

    def add(self, id, key, metadata, data):
        """`id` in hex, or `None` for a new entry; metadata and data as JSON in bytes."""
        key = key.encode()
        row_id = NO_ID if id is None else pack_ids([id])
        self._packed += _ROW.pack(row_id, len(key), 0, len(metadata), len(data), 0) + key + metadata + data
        self.count += 1

    def take(self):
        """The packed form; none are left."""
        packed = _ROWS.pack(_ROWS_MAGIC, self.count) + bytes(self._packed)
        self.count = 0
        self._packed.clear()
        return packed


def read_rows(packed):
    """Rows as (id in hex or `None`, key, metadata, data), as the runtime unpacks them; for runtimes of tests."""
    try:
        magic, count = _ROWS.unpack_from(packed)
        if magic != _ROWS_MAGIC:
            raise IndexError
        at, rows = _ROWS.size, []
        for _ in range(count):
            id, *lengths = _ROW.unpack_from(packed, at)
            at += _ROW.size
            parts = []
            for length in (lengths[0], *lengths[2:]):
                if at + length > len(packed):
                    raise IndexError
                parts.append(packed[at : at + length])
                at += length
            rows.append((None if id == NO_ID else id.hex(), parts[0].decode(), parts[1], parts[2]))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise Failure("invalid", "the rows are not packed as rows") from error
    if at != len(packed):
        raise Failure("invalid", f"{len(packed) - at} bytes behind the last row")
    return rows
