"""A runtime in memory, for tests of cells: what is written is read again, as in the real one.

    memory = Memory()
    memory.add("background/filtered_location", {"ts": 1.7e9, "latitude": 47.0, "longitude": 8.5})
    memory.run(app.run, now=1.7e9 + 3600)
    assert memory.of_key("study.my-cell/gap") == []

Reads come from the snapshot of the last commit. Pages and rows are packed and unpacked as the runtime does. Not here:
grants (every key may be read and written), schemas and budgets.
"""

from . import wiring
from .cell import Cell, Host
from .entries import Failure, json_text
from .interfaces import Context, Exchange, Log, Read, Request, Response, StageRun, State, Write, stored

# Import this before the cell, so that `from time import time` in the cell is wired, too.
wiring.install()

# Between a stage's mark and the next window, and between a window and now, s.
WINDOW_GAP_S = 5.0

class Memory:
    """One person's runtime in memory."""

    def __init__(self, seed=0, purpose="", grant=()):
        self.seed, self.purpose, self.grant = seed, purpose, list(grant)
        self.log_lines = []
        """(level, text) of what the cell logged and printed."""
        self.memory = b""
        """What the stage keeps."""
        self.processed_through = None
        """The mark of the stage, s."""
        self.state = {}
        self.entries, self._last_id = {}, 0

    def add(self, key, data, write_ts=None, metadata=None):
        """Adds an entry, as a phone or another stage would; `write_ts` is that of `data.ts` by default, s."""
        metadata = {"key": key, "write_ts": data.get("ts", 0.0) if write_ts is None else write_ts, **(metadata or {})}
        id = self.allocate()
        self.entries[id] = stored(id, key, json_text(metadata), json_text(data))
        return id

    def of_key(self, key):
        """The entries of a key, in the order of their creation."""
        return [entry for entry in self.entries.values() if entry.key == key]

    def run(self, stage, now):
        """Runs a stage at `now` (s) as the pipeline does, again while it asks for more. Its failure is raised."""
        while True:
            start = None if self.processed_through is None else self.processed_through + WINDOW_GAP_S
            run = _Run(self, now, (start, now - WINDOW_GAP_S))
            run.call(stage, lambda cell, _: cell.finish_stage())
            self._commit(run)
            if run.stage_run.mark is not None:
                self.processed_through = run.stage_run.mark
            if not run.stage_run.wants_more:
                return

    def call(self, handle, now=0.0, body=b"", rest="", method="POST", query="", headers=None, scope=""):
        """Answers a request as the runtime does: an `Answer`. Its failure is raised."""
        run = _Run(self, now, (None, now), Request(method, rest, query, headers or {}, scope, body))
        last = run.call(handle, Cell.finish_request)
        head = run.response
        if head.status < 400:
            self._commit(run)
        return Answer(head.status, head.content_type, b"".join(run.exchange.pieces) + last)

    def contribute(self, contribute, now, start=None, end=None):
        """Numbers from that window, s."""
        run = _Run(self, now, (start, now if end is None else end))
        return run.call(contribute, lambda _, numbers: [float(number) for number in numbers])

    def allocate(self):
        self._last_id += 1
        return f"{self._last_id:024x}"

    def _commit(self, run):
        for id, entry in run.timeseries_write.written.items():
            if entry is None:
                self.entries.pop(id, None)
            else:
                self.entries[id] = entry
        self.memory = run.stage_run.kept
        self.state = run.state.values


class Answer:
    """An answer, whole."""

    def __init__(self, status, content_type, body):
        self.status, self.content_type, self.body = status, content_type, body


class _Run:
    """One call, and the interfaces of the contract as it sees them: what has the name of an interface is one."""

    def __init__(self, memory, now, window, request=None):
        self.context = Context(memory, now, window)
        self.stage_run = StageRun(memory.memory)
        self.timeseries_read = Read(dict(memory.entries))
        self.timeseries_write = Write(memory, self.timeseries_read.entries)
        self.state = State(dict(memory.state))
        self.log = Log(memory.log_lines)
        self.request = request
        self.response = Response()
        self.exchange = Exchange(b"" if request is None else request.content, self.timeseries_write)

    def call(self, function, finish):
        interfaces = {name: getattr(self, name) for name in Host.NAMES}
        cell = Cell(Host(lambda error: error if isinstance(error, Failure) else None, **interfaces))
        with wiring.call(cell.now, cell.seed, self.log.info):
            return finish(cell, function(cell))
