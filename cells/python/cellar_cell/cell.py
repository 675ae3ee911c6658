"""The runtime as a cell sees it during one call."""

import json

from .dates import APART_S, server_metadata
from .entries import PAGE_FORMAT, Columns, Failure, Rows, json_text, pack_ids, read_page, split_ids

# The most bytes of a page, and of rows that are sent together.
_PAGE_BYTES = 64 << 10
_CALL_BYTES = 32 << 10
# The most rows of columns at once, and ids of one question.
_ROWS_MAX = 4096
_IDS_MAX = 16_384
_BODY_PIECE_BYTES = 64 << 10


class Host:
    """The interfaces that this cell has, by their names in the contract, with `_` for `-`; others are refused."""

    NAMES = (
        "context",
        "stage_run",
        "timeseries_read",
        "timeseries_write",
        "state",
        "log",
        "request",
        "response",
        "exchange",
    )

    def __init__(self, refusal, **interfaces):
        # How the runtime's refusals arrive: a function from what was raised to a `Failure`, or `None`.
        self._refusal = refusal
        self._interfaces = interfaces

    def has(self, interface):
        return interface in self._interfaces

    def call(self, interface, function, *arguments):
        """Calls a function of an interface; a refusal becomes a `Failure`."""
        of = self._interfaces.get(interface)
        if of is None:
            name = interface.replace("_", "-")
            raise Failure("denied", f"{name} is not among the interfaces of this cell's manifest")
        return self.within(getattr(of, function), *arguments)

    def within(self, function, *arguments):
        """Calls a function; a refusal becomes a `Failure`."""
        try:
            return function(*arguments)
        except Exception as error:
            failure = self._refusal(error)
            if failure is None:
                raise
            raise failure from None


class Cell:
    """What a cell may use during one call: its arguments, what it may read, where it writes."""

    def __init__(self, host):
        self._host = host
        self._memory = None
        self.output = Output(host, self)
        self.log = Log(host)
        self.state = State(host)
        self.request = Request(host)
        self.more = False
        """A stage sets it to be run again at once, because there is more to do than fits one run."""
        self.processed_through = None
        """A stage sets it to the time of the last entry that it used, s; `None`: the mark stays."""

    # Arguments.

    @property
    def now(self):
        """When the run or the request began, s."""
        return self._host.call("context", "now")

    @property
    def seed(self):
        """The same in a repeated run; `random` is seeded with it."""
        return self._host.call("context", "seed")

    @property
    def window(self):
        """Closed bounds of what is new, s; the first is `None` if there is none."""
        return self._host.call("context", "window_start"), self._host.call("context", "window_end")

    @property
    def purpose(self):
        """What the owner has agreed to, in the words of the grant."""
        return self._host.call("context", "purpose")

    @property
    def grant(self):
        """The lines that allow reading, as the contract describes them under `granted`."""
        return self._host.call("context", "grant")

    # What a stage keeps between its runs.

    @property
    def memory(self):
        """Bytes that the stage kept last time, at most 1 MiB; set them for the next run."""
        return self._host.call("stage_run", "memory") if self._memory is None else self._memory

    @memory.setter
    def memory(self, memory):
        self._memory = bytes(memory)

    def remembered(self, otherwise=None):
        """The value that `remember` was given last time; `otherwise` if there is none yet."""
        memory = self.memory
        return json.loads(memory) if memory else otherwise

    def remember(self, value):
        """Keeps a value that JSON has a form for until the next run."""
        self.memory = json_text(value)

    # Reading.

    def find(self, *keys, **query):
        """The entries of these keys, one after the other; only a page of them is in memory.

        Without keys: of every key that the grant covers. A query has

        * `time`: the time that bounds and order mean, such as `data-ts` or `end-ts`; `position` by default
        * `start`, `end`: closed bounds, s
        * `latest_first`, `with_invalid`: `False` by default
        """
        return self._entries(lambda: self._host.within(self._read("find"), self._query(keys, **query)))

    def find_ids(self, ids, *keys):
        """The entries of these keys with one of these ids, in the order of the ids; what is not there is left out."""
        for at in range(0, len(ids), _IDS_MAX):
            packed = pack_ids(ids[at : at + _IDS_MAX])
            yield from self._entries(lambda: self._host.within(self._read("find_ids"), list(keys), packed))

    def count(self, *keys, **query):
        """How many entries match; see `find`."""
        return self._host.within(self._read("count"), self._query(keys, **query))

    def locations(self, *keys, rows_max=_ROWS_MAX, **query):
        """Locations as `Columns` of at most `rows_max` rows: numbers, without any text. See `find`."""
        with self._host.within(self._read("find_locations"), self._query(keys, **query)) as cursor:
            while self._host.within(cursor.advance, rows_max):
                yield Columns(cursor)

    def _read(self, function):
        return lambda *arguments: self._host.call("timeseries_read", function, *arguments)

    def _query(self, keys, time="position", start=None, end=None, latest_first=False, with_invalid=False):
        query = self._host.call("timeseries_read", "Query")
        query.set_keys(list(keys))
        query.set_time(time)
        query.set_bounds(start, end)
        query.set_latest_first(latest_first)
        query.set_with_invalid(with_invalid)
        return query

    def _entries(self, opened):
        with opened() as cursor:
            while page := self._host.within(cursor.next_page, PAGE_FORMAT, _PAGE_BYTES):
                yield from read_page(page)

    # An answer that is too large to return at once.

    def begin(self, status=200, content_type="application/json"):
        """Sends the head of an answer; its body follows by `write`. A call that has written entries cannot."""
        self._host.call("response", "set_status", status)
        self._host.call("response", "set_content_type", content_type)
        self._host.call("exchange", "begin")

    def write(self, piece):
        """Sends a piece of the answer that `begin` started: bytes or text."""
        self._host.call("exchange", "write", piece.encode() if isinstance(piece, str) else bytes(piece))

    # The end of a call, by those who call cells.

    def finish_stage(self):
        self.output.send()
        if self._memory is not None:
            self._host.call("stage_run", "set_memory", self._memory)
        if self.processed_through is not None:
            self._host.call("stage_run", "set_processed_through", float(self.processed_through))
        self._host.call("stage_run", "set_more", bool(self.more))

    def finish_request(self, answer):
        response = answer if isinstance(answer, Response) else Response(answer)
        if response.status < 400:
            self.output.send()
        if response.set_head:
            self._host.call("response", "set_status", response.status)
            self._host.call("response", "set_content_type", response.content_type)
        return response.body


class Output:
    """The entries that a call writes: sent in pieces, and dated so that they keep their order.

    Members of `data` are written in the order of their names. Nothing is kept if the call fails.
    """

    def __init__(self, host, cell):
        self._host = host
        self._cell = cell
        self._new, self._changed = Rows(), Rows()
        self._dated = 0
        self._ids = []

    def insert(self, key, data):
        """Adds an entry; `take_ids` tells its id."""
        self._new.add(None, key, self._metadata(key), json_text(data))
        self._send_if_full()

    def replace(self, key, id, data):
        """Gives an entry new data. Its key stays the same."""
        self._changed.add(id, key, self._metadata(key), json_text(data))
        self._send_if_full()

    def delete(self, ids):
        """Removes entries."""
        self.send()
        self._host.call("timeseries_write", "delete", pack_ids(ids))

    def mark_invalid(self, ids):
        """Hides entries from queries that do not ask for them."""
        self.send()
        self._host.call("timeseries_write", "mark_invalid", pack_ids(ids))

    def take_ids(self):
        """The ids of the entries that were inserted since the last time, in their order."""
        self.send()
        ids, self._ids = self._ids, []
        return ids

    def send(self):
        """Sends what waits. Whoever calls the cell does so at its end."""
        if self._new.count:
            wanted = self._new.count
            ids = split_ids(self._host.call("timeseries_write", "insert", self._new.take()))
            if len(ids) != wanted:
                raise RuntimeError(f"the runtime gave {len(ids)} ids for {wanted} new entries")
            self._ids += ids
        if self._changed.count:
            self._host.call("timeseries_write", "replace", self._changed.take())

    def _metadata(self, key):
        number, self._dated = self._dated, self._dated + 1
        return server_metadata(key, self._cell.now + number * APART_S)

    def _send_if_full(self):
        if len(self._new) > _CALL_BYTES or len(self._changed) > _CALL_BYTES:
            self.send()


class Log:
    """Lines for the owner, at most 64 of 500 bytes a call. Write neither places nor tokens."""

    def __init__(self, host):
        self._host = host

    def debug(self, text):
        self._host.call("log", "debug", str(text))

    def info(self, text):
        self._host.call("log", "info", str(text))

    def warn(self, text):
        self._host.call("log", "warn", str(text))


class State:
    """Private keys and values, for what outgrows `Cell.memory`: a key has 1 to 256 bytes, a value at most 256 KiB."""

    def __init__(self, host):
        self._host = host

    def get(self, key):
        """Bytes; `None` if the key has no value."""
        return self._host.call("state", "get", key)

    def put(self, key, value):
        self._host.call("state", "put", key, bytes(value))

    def delete(self, key):
        self._host.call("state", "delete", key)

    def scan(self, prefix=""):
        """Keys that begin with `prefix`, with their values, in the order of the keys' bytes."""
        after = None
        while found := self._host.call("state", "scan", prefix, after, 256):
            for key, value in found:
                yield key, value
            after = found[-1][0]


class Request:
    """The request that an endpoint answers."""

    def __init__(self, host):
        self._host = host

    @property
    def method(self):
        return self._host.call("request", "method")

    @property
    def rest(self):
        """What follows the cell's path; often empty."""
        return self._host.call("request", "rest")

    @property
    def query(self):
        """The query of the address, as it was sent."""
        return self._host.call("request", "query")

    @property
    def scope(self):
        """What the caller was allowed, such as `datastreams:read`."""
        return self._host.call("request", "scope")

    @property
    def body_bytes(self):
        return self._host.call("request", "body_bytes")

    def header(self, name):
        """`accept`, `accept-language`, `content-type` or `if-none-match`; `None` for any other."""
        return self._host.call("request", "header", name)

    def body(self):
        """All of the body, as bytes; the manifest lists `exchange`."""
        pieces = []
        while piece := self._host.call("exchange", "read", _BODY_PIECE_BYTES):
            pieces.append(piece)
        return b"".join(pieces)


class Response:
    """An answer. With a status of 400 or above, nothing is committed."""

    def __init__(self, body=b"", status=200, content_type=None):
        # The last piece of an answer that `begin` started has no head of its own.
        self.set_head = body is not None
        self.status = status
        if body is None or isinstance(body, bytes):
            self.body, kind = body or b"", "application/octet-stream"
        elif isinstance(body, str):
            self.body, kind = body.encode(), "text/plain; charset=utf-8"
        else:
            self.body, kind = json_text(body), "application/json"
        self.content_type = content_type or kind
