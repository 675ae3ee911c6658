"""The side of the sandbox: what the entry that `cellar cell build` makes calls."""

import os

from componentize_py_types import Err

from . import wiring
from .cell import Cell, Host
from .entries import Failure

_OURS = os.path.dirname(__file__)


class Guest:
    """The interfaces of the world and the type of its failures."""

    def __init__(self, types, **interfaces):
        self._types = types
        self._host = Host(self._refusal, **interfaces)
        wiring.install()
        wiring.seal()

    def run(self, function):
        """One run of a stage."""
        self._call(function, lambda cell, _: cell.finish_stage())

    def handle(self, function):
        """One request."""
        return self._call(function, Cell.finish_request)

    def contribute(self, function):
        """One contribution."""
        return self._call(function, lambda _, numbers: [float(number) for number in numbers])

    def _call(self, function, finish):
        host = self._host
        log = (lambda line: host.call("log", "info", line)) if host.has("log") else None
        try:
            cell = Cell(host)
            with wiring.call(cell.now, cell.seed, log):
                return finish(cell, function(cell))
        except BaseException as error:
            code, text = told(error)
        raise Err(self._types.Failure(code, text))

    @staticmethod
    def _refusal(error):
        value = getattr(error, "value", None)
        if isinstance(error, Err) and hasattr(value, "code"):
            return Failure(value.code, value.text)
        return None


def told(error):
    """What the owner reads of an exception: type, words, and the last line of the cell's own code; no paths."""
    if isinstance(error, Failure):
        return error.code, error.text
    place, at = "", error.__traceback__
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if os.path.dirname(file) != _OURS and not file.startswith("<"):
            place = f" ({os.path.basename(file)}, line {at.tb_lineno})"
        at = at.tb_next
    words = str(error)
    return "", f"{type(error).__name__}{': ' if words else ''}{words}{place}"
