"""Clock, randomness and printing of Python, wired to the run that is going on.

While a call of a cell goes on, `time` and `datetime` stand at its `now`, `random`, `secrets` and `uuid` draw from its
`seed`, and `print` writes to its log. A repeated run gives the same. Outside of calls everything is as usual.
"""

import builtins
import contextlib
import datetime
import io
import os
import random
import sys
import time

# What else the standard library would load only when it is used, which a cell cannot do while it runs.
import _strptime  # noqa: F401
import calendar  # noqa: F401
import encodings.ascii  # noqa: F401
import encodings.latin_1  # noqa: F401
import encodings.utf_8  # noqa: F401
import statistics  # noqa: F401
import uuid

_now = None
_bytes = random.Random()
_CLOCKS = ("time", "monotonic", "perf_counter")
_CALENDARS = ("gmtime", "localtime", "ctime")
_FORMATS = ("strftime", "asctime")
_usual = {name: getattr(time, name) for name in (*_CLOCKS, *_CALENDARS, *_FORMATS)}
_usual_urandom = os.urandom


@contextlib.contextmanager
def call(now, seed, log):
    """During a call that began at `now` (s). `log`: a function for lines that are printed, or `None` to drop them."""
    global _now
    before, state, out, err = _now, random.getstate(), sys.stdout, sys.stderr
    _now = now
    random.seed(seed)
    _bytes.seed(seed ^ 0x5DEECE66D)
    sys.stdout = sys.stderr = _Lines(log)
    try:
        yield
        sys.stdout.finish()
    finally:
        _now, sys.stdout, sys.stderr = before, out, err
        random.setstate(state)


def is_going_on():
    """Whether a call goes on."""
    return _now is not None


def _clock(name):
    usual = _usual[name]
    return lambda: usual() if _now is None else _now


def _calendar(name):
    usual = _usual[name]
    return lambda seconds=None: usual(_time() if seconds is None else seconds)


def _format(name):
    usual, places = _usual[name], 2 if name == "strftime" else 1
    return lambda *given: usual(*given) if len(given) == places else usual(*given, time.localtime())


def _urandom(size):
    return _usual_urandom(size) if _now is None else _bytes.randbytes(size)


def _sleep(seconds):
    raise RuntimeError("a cell has no clock to wait for")


_time = _clock("time")


class _AsUsual(type):
    """What the usual class has made is of the wired class, too: `datetime.date()` and so on make the usual ones."""

    def __instancecheck__(cls, value):
        return isinstance(value, cls.__bases__[0]) if "_wired" in vars(cls) else type.__instancecheck__(cls, value)

    def __subclasscheck__(cls, other):
        return issubclass(other, cls.__bases__[0]) if "_wired" in vars(cls) else type.__subclasscheck__(cls, other)


class _DateTime(datetime.datetime, metaclass=_AsUsual):
    _wired = True

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(_time(), datetime.timezone.utc).replace(tzinfo=None)

    @classmethod
    def today(cls):
        return cls.now()


class _Date(datetime.date, metaclass=_AsUsual):
    _wired = True

    @classmethod
    def today(cls):
        return cls.fromtimestamp(_time())


class _Lines(io.TextIOBase):
    """What is printed, line by line."""

    def __init__(self, log):
        self._log = log
        self._rest = ""

    def writable(self):
        return True

    def write(self, text):
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)

    def finish(self):
        rest, self._rest = self._rest, ""
        self._say(rest)

    def _say(self, line):
        if line and self._log is not None:
            self._log(line)


def install():
    """Wires them. To be called before a cell's module is loaded, so that `from time import time` is wired, too."""
    if time.time is _time:
        return
    time.time = _time
    time.time_ns = lambda: round(_time() * 1e9)
    time.monotonic, time.perf_counter = _clock("monotonic"), _clock("perf_counter")
    for name in _CALENDARS:
        setattr(time, name, _calendar(name))
    for name in _FORMATS:
        setattr(time, name, _format(name))
    datetime.datetime, datetime.date = _DateTime, _Date
    os.urandom = random._urandom = _urandom
    # An id of a machine and a moment has no meaning here; one by chance has.
    uuid.uuid1 = lambda node=None, clock_seq=None: uuid.uuid4()


def seal():
    """What a cell cannot do at all ends in words, and not in a trap that has none. For components only."""
    usual_open = builtins.open

    def refuse_open(file, *arguments, **options):
        if is_going_on():
            raise PermissionError("a cell has no files")
        return usual_open(file, *arguments, **options)

    builtins.open = io.open = refuse_open
    time.sleep = _sleep
    sys.meta_path.insert(0, _NothingNew)


class _NothingNew:
    @staticmethod
    def find_spec(name, path=None, target=None):
        # What is part of the interpreter itself needs no file.
        if is_going_on() and name not in sys.builtin_module_names:
            raise ImportError(f"{name} is not loaded, and a cell has no files: import it at the top of a module")
        return None
