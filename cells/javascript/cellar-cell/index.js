// What a cell of Cellar needs: entries, columns, output, failures.
//
// A cell is a module `app.js` with one function, which gets a `Cell`:
//
// * `run(cell)` of a stage;
// * `handle(cell)` of an endpoint, which returns a `Response`, or anything that JSON has a form for;
// * `contribute(cell)` of a contribution, which returns numbers.
//
// Times are seconds since 1970-01-01T00:00:00Z. The folder lies beside the cell; nothing has to be installed for it.

export { Cell, Output, Response } from './cell.js';
export { Columns, Entry, Failure } from './entries.js';
export { Double, decode, double, encode, jsonText } from './text.js';
