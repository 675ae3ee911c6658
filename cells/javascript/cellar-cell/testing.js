// A runtime in memory, for tests of cells: what is written is read again, as in the real one.
//
//     const memory = new Memory();
//     memory.add('background/filtered_location', { ts: 1.7e9, latitude: 47, longitude: 8.5 });
//     memory.run(run, 1.7e9 + 3600);
//     assert.deepEqual(memory.ofKey('study.my-cell/gap'), []);
//
// Reads come from the snapshot of the last commit. Pages and rows are packed and unpacked as the runtime does. Not
// here: grants (every key may be read and written), schemas and budgets.

import { Cell, Host } from './cell.js';
import { Failure } from './entries.js';
import * as interfaces from './interfaces.js';
import { encode, join, jsonText } from './text.js';
import * as wiring from './wiring.js';

wiring.install();

/** Between a stage's mark and the next window, and between a window and now, s. */
const WINDOW_GAP_S = 5;

/** One person's runtime in memory. */
export class Memory {
  #lastId = 0;

  constructor({ seed = 0n, purpose = '', grant = [] } = {}) {
    this.seed = seed;
    this.purpose = purpose;
    this.grant = grant;
    /** `[level, text]` of what the cell logged and printed. */
    this.logLines = [];
    /** What the stage keeps. */
    this.memory = new Uint8Array(0);
    /** The mark of the stage, s. */
    this.processedThrough = null;
    this.state = new Map();
    this.entries = new Map();
  }

  /** Adds an entry, as a phone or another stage would; `writeTs` is `data.ts` by default, s. */
  add(key, data, { writeTs = data.ts ?? 0, metadata = {} } = {}) {
    const id = this.allocate();
    const whole = { key, write_ts: writeTs, ...metadata };
    this.entries.set(id, interfaces.stored(id, key, encode(jsonText(whole)), encode(jsonText(data))));
    return id;
  }

  /** The entries of a key, in the order of their creation. */
  ofKey(key) {
    return [...this.entries.values()].filter((entry) => entry.key === key);
  }

  /** Runs a stage at `now` (s) as the pipeline does, again while it asks for more. Its failure is thrown. */
  run(stage, now) {
    for (;;) {
      const start = this.processedThrough === null ? null : this.processedThrough + WINDOW_GAP_S;
      const world = this.#world(now, { start, end: now - WINDOW_GAP_S });
      this.#call(world, stage, (cell) => cell.finishStage());
      this.#commit(world);
      this.processedThrough = world.stageRun.mark ?? this.processedThrough;
      if (!world.stageRun.more) return;
    }
  }

  /** Answers a request as the runtime does: `{ status, contentType, body }`. Its failure is thrown. */
  call(handle, { now = 0, body = new Uint8Array(0), ...head } = {}) {
    const bytes = typeof body === 'string' ? encode(body) : body;
    const world = this.#world(now, { start: null, end: now }, head, bytes);
    const last = this.#call(world, handle, (cell, answer) => cell.finishRequest(answer));
    const { status, contentType } = world.response;
    if (status < 400) this.#commit(world);
    return { status, contentType, body: join([...world.exchange.pieces, last]) };
  }

  /** Numbers from that window, s. */
  contribute(contribute, now, { start = null, end = now } = {}) {
    const world = this.#world(now, { start, end });
    return this.#call(world, contribute, (cell, numbers) => Array.from(numbers, Number));
  }

  allocate() {
    this.#lastId += 1;
    return this.#lastId.toString(16).padStart(24, '0');
  }

  #world(now, window, head = {}, body = new Uint8Array(0)) {
    const timeseriesRead = new interfaces.Read(new Map(this.entries));
    const timeseriesWrite = new interfaces.Write(this, timeseriesRead.entries);
    return {
      context: new interfaces.Context(this, now, window),
      stageRun: new interfaces.StageRun(this.memory),
      timeseriesRead,
      timeseriesWrite,
      state: new interfaces.State(new Map(this.state)),
      log: new interfaces.Log(this.logLines),
      request: new interfaces.Request(head, body.length),
      response: new interfaces.Response(),
      exchange: new interfaces.Exchange(body, timeseriesWrite),
    };
  }

  #call(world, work, finish) {
    const cell = new Cell(new Host((error) => (error instanceof Failure ? error : null), world));
    const { log } = world;
    const lines = { debug: (text) => log.debug(text), info: (text) => log.info(text), warn: (text) => log.warn(text) };
    return wiring.during(cell.now, cell.seed, lines, () => finish(cell, work(cell)));
  }

  #commit(world) {
    for (const [id, entry] of world.timeseriesWrite.written) {
      if (entry === null) this.entries.delete(id);
      else this.entries.set(id, entry);
    }
    this.memory = world.stageRun.kept;
    this.state = world.state.values;
  }
}
