"""What a cell of Cellar needs: entries, columns, output, failures.

A cell is a module `app` with one function, which gets a `Cell`:

* `run(cell)` of a stage;
* `handle(cell)` of an endpoint, which returns a `Response`, or anything that JSON has a form for;
* `contribute(cell)` of a contribution, which returns numbers.

Times are seconds since 1970-01-01T00:00:00Z. The folder lies beside the cell; nothing has to be installed for it.
"""

from .cell import Cell, Output, Response
from .entries import Columns, Entry, Failure

__all__ = ["Cell", "Columns", "Entry", "Failure", "Output", "Response"]
