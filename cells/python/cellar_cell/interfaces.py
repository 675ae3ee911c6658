"""The interfaces of the contract over plain lists, as `testing.Memory` gives them to a cell."""

import math

from .entries import PAGE_FORMAT, Entry, Failure, pack_ids, read_rows, split_ids, write_page

_TIMES = {
    "data-ts": ("ts",),
    "start-ts": ("start_ts",),
    "end-ts": ("end_ts",),
    "enter-ts": ("enter_ts",),
    "exit-ts": ("exit_ts",),
    "position": ("ts", "start_ts", "enter_ts", "exit_ts"),
}
_USER = "ab" * 16
_PAGE_BYTES_MIN, _PAGE_BYTES_MAX = 4 << 10, 1 << 20


def stored(id, key, metadata_text, data_text, invalid=False):
    entry = Entry(id, key, invalid, math.nan, math.nan, metadata_text, data_text)
    for name, value in (("metadata", entry.metadata), ("data", entry.data)):
        if not isinstance(value, dict):
            raise Failure("invalid", f"{name} of {key} is not an object")
    entry.write_ts = float(entry.metadata.get("write_ts", math.nan))
    return entry


def _time(entry, field):
    if field == "write-ts":
        return entry.write_ts
    if field not in _TIMES:
        raise Failure("invalid", f"{field} is no time")
    for name in _TIMES[field]:
        value = entry.data.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return entry.write_ts if field == "position" else math.nan


class Context:
    def __init__(self, memory, now, window):
        self._memory, self._now, self._window = memory, now, window

    def now(self):
        return self._now

    def seed(self):
        return self._memory.seed

    def window_start(self):
        return self._window[0]

    def window_end(self):
        return self._window[1]

    def purpose(self):
        return self._memory.purpose

    def grant(self):
        return self._memory.grant


class StageRun:
    def __init__(self, memory):
        self.kept, self.mark, self.wants_more = memory, None, False

    def memory(self):
        return self.kept

    def set_memory(self, memory):
        self.kept = memory

    def set_processed_through(self, ts):
        if math.isnan(ts):
            raise Failure("invalid", "a mark is not a number")
        self.mark = ts

    def set_more(self, more):
        self.wants_more = more


class Query:
    def __init__(self):
        self.keys, self.field, self.bounds = [], "position", (None, None)
        self.latest_first = self.with_invalid = False

    def set_keys(self, keys):
        self.keys = keys

    def set_time(self, field):
        self.field = field

    def set_bounds(self, start, end):
        self.bounds = start, end

    def set_latest_first(self, latest_first):
        self.latest_first = latest_first

    def set_with_invalid(self, with_invalid):
        self.with_invalid = with_invalid


class Read:
    Query = Query

    def __init__(self, entries):
        self.entries = entries

    def find(self, query):
        return _Cursor(self._matching(query))

    def find_ids(self, keys, ids):
        known = [self.entries[id] for id in split_ids(ids) if id in self.entries]
        return _Cursor([(entry.write_ts, entry) for entry in known if not keys or entry.key in keys])

    def count(self, query):
        return len(self._matching(query))

    def find_locations(self, query):
        return _Locations([entry for _, entry in self._matching(query)])

    def _matching(self, query):
        start, end = query.bounds
        start, end = -math.inf if start is None else start, math.inf if end is None else end
        if math.isnan(start) or math.isnan(end):
            raise Failure("invalid", "a bound is not a number")
        found = []
        for entry in self.entries.values():
            time = _time(entry, query.field)
            is_meant = not query.keys or entry.key in query.keys
            if is_meant and start <= time <= end and (query.with_invalid or not entry.invalid):
                found.append((time, entry))
        found.sort(key=lambda one: (one[0], one[1].id), reverse=query.latest_first)
        return found


class _Open:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


class _Cursor(_Open):
    def __init__(self, found):
        self._found = found

    def next_page(self, format, bytes_max):
        if format != PAGE_FORMAT:
            raise Failure("unsupported", f"format {format}; there is {PAGE_FORMAT}")
        room, page = min(max(bytes_max, _PAGE_BYTES_MIN), _PAGE_BYTES_MAX), []
        while self._found:
            time, entry = self._found[0]
            room -= len(entry.metadata_text) + len(entry.data_text) + 200
            if page and room < 0:
                break
            texts = entry.metadata_text, entry.data_text
            page.append(Entry(entry.id, entry.key, entry.invalid, entry.write_ts, time, *texts))
            del self._found[0]
        return write_page(page, _USER) if page else b""


class _Locations(_Open):
    def __init__(self, found):
        self._found, self._rows = found, []

    def advance(self, rows_max):
        self._rows, self._found = self._found[:rows_max], self._found[rows_max:]
        self._devices = sorted({name for row in self._rows if (name := _device(row))})
        return len(self._rows)

    def ids(self):
        return pack_ids([row.id for row in self._rows])

    def write_ts(self):
        return [row.write_ts for row in self._rows]

    def ts(self):
        return self._numbers("ts")

    def latitude(self):
        return self._numbers("latitude")

    def longitude(self):
        return self._numbers("longitude")

    def accuracy(self):
        return self._numbers("accuracy")

    def filter(self):
        known = {None: 0, "time": 1, "distance": 2}
        return bytes(known.get(row.data.get("filter"), 3) for row in self._rows)

    def device(self):
        places = {name: place + 1 for place, name in enumerate(self._devices)}
        return [places.get(_device(row), 0) for row in self._rows] if places else []

    def devices(self):
        return self._devices

    def _numbers(self, name):
        values = (row.data.get(name) for row in self._rows)
        return [float(value) if isinstance(value, (int, float)) else math.nan for value in values]


def _device(entry):
    device, platform = entry.metadata.get("device"), entry.metadata.get("platform")
    return f"{device}/{platform}" if device is not None else None


class Write:
    def __init__(self, memory, entries):
        self._memory, self._entries = memory, entries
        # By id, in the order of writing; `None`: removed.
        self.written = {}

    def insert(self, rows):
        ids = []
        for id, key, metadata, data in read_rows(rows):
            if id is not None:
                raise Failure("invalid", "a new entry has no id yet")
            ids.append(self._memory.allocate())
            self.written[ids[-1]] = stored(ids[-1], key, metadata, data)
        return pack_ids(ids)

    def replace(self, rows):
        for id, key, metadata, data in read_rows(rows):
            if self._known(id).key != key:
                raise Failure("invalid", f"an entry of {self._known(id).key} stays one")
            self.written[id] = stored(id, key, metadata, data)

    def delete(self, ids):
        for id in split_ids(ids):
            self._known(id)
            self.written[id] = None

    def mark_invalid(self, ids):
        for id in split_ids(ids):
            old = self._known(id)
            self.written[id] = stored(id, old.key, old.metadata_text, old.data_text, True)

    def _known(self, id):
        entry = self.written[id] if id in self.written else self._entries.get(id)
        if entry is None:
            raise Failure("invalid", f"no entry has the id {id}")
        return entry


class State:
    def __init__(self, values):
        self.values = values

    def get(self, key):
        return self.values.get(key)

    def put(self, key, value):
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)

    def scan(self, prefix, after, keys_max):
        keys = sorted((key for key in self.values if key.startswith(prefix)), key=str.encode)
        keys = [key for key in keys if after is None or key.encode() > after.encode()]
        return [(key, self.values[key]) for key in keys[:keys_max]]


class Log:
    def __init__(self, lines):
        self._lines = lines

    def debug(self, text):
        self._lines.append(("debug", text))

    def info(self, text):
        self._lines.append(("info", text))

    def warn(self, text):
        self._lines.append(("warn", text))


class Request:
    def __init__(self, method, rest, query, headers, scope, content):
        self._method, self._rest, self._query = method, rest, query
        self._headers, self._scope, self.content = headers, scope, content

    def method(self):
        return self._method

    def rest(self):
        return self._rest

    def query(self):
        return self._query

    def header(self, name):
        return self._headers.get(name)

    def scope(self):
        return self._scope

    def body_bytes(self):
        return len(self.content)


class Response:
    def __init__(self):
        self.status, self.content_type = 200, ""

    def set_status(self, status):
        self.status = status

    def set_content_type(self, content_type):
        self.content_type = content_type


class Exchange:
    def __init__(self, body, writes):
        self._body, self._writes, self.pieces, self._begun = body, writes, [], False

    def read(self, bytes_max):
        piece, self._body = self._body[:bytes_max], self._body[bytes_max:]
        return piece

    def begin(self):
        if self._writes.written:
            raise Failure("invalid", "an answer in pieces cannot wait for a commit")
        self._begun = True

    def write(self, piece):
        if not self._begun:
            raise Failure("invalid", "write before begin")
        self.pieces.append(piece)
