// The side of the sandbox: what the entry that `cellar cell build` makes calls.

import { Cell, Host } from './cell.js';
import { Failure } from './entries.js';
import * as wiring from './wiring.js';

wiring.install();
wiring.seal();

/** Files that are not the cell's own: this folder, the entry, and what an engine adds. */
const OURS = /(^|\/)(cellar-cell\/|sources\/|cellar-entry\.js)/;

let host = null;

/** Tells which interfaces the world has. */
export function connect(interfaces) {
  host = new Host(refusal, interfaces);
}

/** One run of a stage. */
export function run(stage) {
  call(stage, (cell) => cell.finishStage());
}

/** One request. */
export function handle(endpoint) {
  return call(endpoint, (cell, answer) => cell.finishRequest(answer));
}

/** One contribution. */
export function contribute(contribution) {
  return call(contribution, (cell, numbers) => Array.from(numbers, Number));
}

function call(work, finish) {
  const levels = ['debug', 'info', 'warn'];
  const lines = levels.map((level) => [level, (text) => host.call('log', level, text)]);
  const log = host.has('log') ? Object.fromEntries(lines) : null;
  let told;
  try {
    const cell = new Cell(host);
    return wiring.during(cell.now, cell.seed, log, () => finish(cell, work(cell)));
  } catch (error) {
    told = tell(error);
  }
  throw told;
}

/** The runtime's refusals arrive as errors with a payload, or as the payload. */
function refusal(error) {
  const failure = error?.payload ?? error;
  if (error instanceof Failure || typeof failure?.code !== 'string') return null;
  return new Failure(failure.code, String(failure.text));
}

/** What the owner reads of what was thrown: type, words, and the line of the cell's own code; no paths. */
function tell(error) {
  if (error instanceof Failure) return { code: error.code, text: error.text };
  const name = typeof error?.name === 'string' ? error.name : 'Error';
  const words = error instanceof Error ? error.message : String(error);
  return { code: '', text: `${name}: ${words}${place(String(error?.stack ?? ''))}` };
}

/** The engines write `at run (/app.js:8:9)` and `run@app.js:8:9`. */
function place(stack) {
  for (const line of stack.split('\n')) {
    const found = /([^\s(@]+\.m?js):(\d+)(?::\d+)?\)?\s*$/.exec(line);
    if (found && !OURS.test(found[1])) {
      return ` (${found[1].split('/').pop()}, line ${found[2]})`;
    }
  }
  return '';
}
