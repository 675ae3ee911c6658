// The runtime as a cell sees it during one call.

import { APART_S, serverMetadata } from './dates.js';
import { Columns, Failure, PAGE_FORMAT, Rows, packIds, readPage, splitIds } from './entries.js';
import { decode, encode, join, jsonText } from './text.js';

// The most bytes of a page, and of rows that are sent together.
const PAGE_BYTES = 64 << 10;
const CALL_BYTES = 32 << 10;
// The most rows of columns at once, and ids of one question.
const ROWS_MAX = 4096;
const IDS_MAX = 16384;
const BODY_PIECE_BYTES = 64 << 10;
const SCAN_KEYS = 256;

/** The interfaces that this cell has, by their names in the contract in camel case; others are refused. */
export class Host {
  #refusal;
  #interfaces;

  /** `refusal`: from what the runtime throws to a `Failure`; `null` for anything else. */
  constructor(refusal, interfaces) {
    this.#refusal = refusal;
    this.#interfaces = interfaces;
  }

  has(name) {
    return this.#interfaces[name] !== undefined;
  }

  of(name) {
    const found = this.#interfaces[name];
    if (found === undefined) {
      const listed = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      throw new Failure('denied', `${listed} is not among the interfaces of this cell's manifest`);
    }
    return found;
  }

  /** Calls a function of an interface; a refusal becomes a `Failure`. */
  call(name, member, ...given) {
    const of = this.of(name);
    return this.within(() => of[member](...given));
  }

  /** Calls the runtime; a refusal becomes a `Failure`. */
  within(body) {
    try {
      return body();
    } catch (error) {
      throw this.#refusal(error) ?? error;
    }
  }
}

/** What a cell may use during one call: its arguments, what it may read, where it writes. */
export class Cell {
  #host;
  #memory = null;

  constructor(host) {
    this.#host = host;
    this.output = new Output(host, this);
    this.log = new Log(host);
    this.state = new State(host);
    this.request = new Request(host);
    /** A stage sets it to be run again at once, because there is more to do than fits one run. */
    this.more = false;
    /** A stage sets it to the time of the last entry that it used, s; `null`: the mark stays. */
    this.processedThrough = null;
  }

  // Arguments.

  /** When the run or the request began, s. */
  get now() {
    return this.#host.call('context', 'now');
  }

  /** A BigInt, the same in a repeated run; `Math.random` is seeded with it. */
  get seed() {
    return BigInt(this.#host.call('context', 'seed'));
  }

  /** Closed bounds of what is new, s: `{ start, end }`; the first is `null` if there is none. */
  get window() {
    const start = this.#host.call('context', 'windowStart') ?? null;
    return { start, end: this.#host.call('context', 'windowEnd') };
  }

  /** What the owner has agreed to, in the words of the grant. */
  get purpose() {
    return this.#host.call('context', 'purpose');
  }

  /** The lines that allow reading, as the contract describes them under `granted`. */
  get grant() {
    return this.#host.call('context', 'grant');
  }

  // What a stage keeps between its runs.

  /** Bytes that the stage kept last time, at most 1 MiB; set them for the next run. */
  get memory() {
    return this.#memory ?? this.#host.call('stageRun', 'memory');
  }

  set memory(memory) {
    this.#memory = memory;
  }

  /** The value that `remember` was given last time; `otherwise` if there is none yet. */
  remembered(otherwise = null) {
    const { memory } = this;
    return memory.length > 0 ? JSON.parse(decode(memory)) : otherwise;
  }

  /** Keeps a value that JSON has a form for until the next run. */
  remember(value) {
    this.memory = encode(jsonText(value));
  }

  // Reading.

  /**
   * The entries of these keys, one after the other; only a page of them is in memory. Without keys: of every key that
   * the grant covers. A query has
   *
   * * `time`: the time that bounds and order mean, such as `data-ts` or `end-ts`; `position` by default
   * * `start`, `end`: closed bounds, s
   * * `latestFirst`, `withInvalid`: false by default
   */
  *find(keys, query = {}) {
    const read = this.#host.of('timeseriesRead');
    yield* this.#entries(() => this.#asked(keys, query, (asked) => read.find(asked)));
  }

  /** The entries of these keys with one of these ids, in the order of the ids; what is not there is left out. */
  *findIds(keys, ids) {
    const read = this.#host.of('timeseriesRead');
    for (let at = 0; at < ids.length; at += IDS_MAX) {
      const packed = packIds(ids.slice(at, at + IDS_MAX));
      yield* this.#entries(() => this.#host.within(() => read.findIds(list(keys), packed)));
    }
  }

  /** How many entries match; see `find`. */
  count(keys, query = {}) {
    const read = this.#host.of('timeseriesRead');
    return Number(this.#asked(keys, query, (asked) => read.count(asked)));
  }

  /** Locations as `Columns` of at most `rowsMax` rows: numbers, without any text. See `find`. */
  *locations(keys, { rowsMax = ROWS_MAX, ...query } = {}) {
    const read = this.#host.of('timeseriesRead');
    const cursor = this.#asked(keys, query, (asked) => read.findLocations(asked));
    try {
      while (this.#host.within(() => cursor.advance(rowsMax)) > 0) yield new Columns(cursor);
    } finally {
      drop(cursor);
    }
  }

  #asked(keys, query, ask) {
    const { time = 'position', start, end, latestFirst = false, withInvalid = false } = query;
    const { Query } = this.#host.of('timeseriesRead');
    const asked = new Query();
    try {
      asked.setKeys(list(keys));
      asked.setTime(time);
      // An engine may tell `null` from "none".
      asked.setBounds(start ?? undefined, end ?? undefined);
      asked.setLatestFirst(latestFirst);
      asked.setWithInvalid(withInvalid);
      return this.#host.within(() => ask(asked));
    } finally {
      drop(asked);
    }
  }

  *#entries(open) {
    const cursor = open();
    try {
      for (;;) {
        const page = this.#host.within(() => cursor.nextPage(PAGE_FORMAT, PAGE_BYTES));
        if (page.length === 0) return;
        yield* readPage(page);
      }
    } finally {
      drop(cursor);
    }
  }

  // An answer that is too large to return at once.

  /** Sends the head of an answer; its body follows by `write`. A call that has written entries cannot. */
  begin({ status = 200, contentType = 'application/json' } = {}) {
    this.#host.call('response', 'setStatus', status);
    this.#host.call('response', 'setContentType', contentType);
    this.#host.call('exchange', 'begin');
  }

  /** Sends a piece of the answer that `begin` started: bytes or text. */
  write(piece) {
    this.#host.call('exchange', 'write', typeof piece === 'string' ? encode(piece) : piece);
  }

  // The end of a call, by those who call cells.

  finishStage() {
    this.output.send();
    if (this.#memory !== null) this.#host.call('stageRun', 'setMemory', this.#memory);
    if (this.processedThrough !== null) {
      this.#host.call('stageRun', 'setProcessedThrough', Number(this.processedThrough));
    }
    this.#host.call('stageRun', 'setMore', Boolean(this.more));
  }

  finishRequest(answer) {
    const response = answer instanceof Response ? answer : new Response(answer);
    if (response.status < 400) this.output.send();
    if (response.setsHead) {
      this.#host.call('response', 'setStatus', response.status);
      this.#host.call('response', 'setContentType', response.contentType);
    }
    return response.body;
  }
}

/** Gives back what the runtime holds for a query or a cursor: a run may have few of them at once. */
function drop(resource) {
  resource[Symbol.dispose]?.();
}

function list(keys) {
  return typeof keys === 'string' ? [keys] : [...(keys ?? [])];
}

/**
 * The entries that a call writes: sent in pieces, and dated so that they keep their order. Members of `data` are
 * written in the order of their names. Nothing is kept if the call fails.
 */
export class Output {
  #host;
  #cell;
  #added = new Rows();
  #changed = new Rows();
  #dated = 0;
  #ids = [];

  constructor(host, cell) {
    this.#host = host;
    this.#cell = cell;
  }

  /** Adds an entry; `takeIds` tells its id. */
  insert(key, data) {
    this.#added.add(null, key, this.#metadata(key), jsonText(data));
    this.#sendIfFull();
  }

  /** Gives an entry new data. Its key stays the same. */
  replace(key, id, data) {
    this.#changed.add(id, key, this.#metadata(key), jsonText(data));
    this.#sendIfFull();
  }

  /** Removes entries. */
  delete(ids) {
    this.send();
    this.#host.call('timeseriesWrite', 'delete', packIds(ids));
  }

  /** Hides entries from queries that do not ask for them. */
  markInvalid(ids) {
    this.send();
    this.#host.call('timeseriesWrite', 'markInvalid', packIds(ids));
  }

  /** The ids of the entries that were inserted since the last time, in their order. */
  takeIds() {
    this.send();
    const ids = this.#ids;
    this.#ids = [];
    return ids;
  }

  /** Sends what waits. Whoever calls the cell does so at its end. */
  send() {
    if (this.#added.count > 0) {
      const wanted = this.#added.count;
      const ids = splitIds(this.#host.call('timeseriesWrite', 'insert', this.#added.take()));
      if (ids.length !== wanted) throw new Error(`the runtime gave ${ids.length} ids for ${wanted} new entries`);
      this.#ids.push(...ids);
    }
    if (this.#changed.count > 0) this.#host.call('timeseriesWrite', 'replace', this.#changed.take());
  }

  #metadata(key) {
    const number = this.#dated;
    this.#dated += 1;
    return serverMetadata(key, this.#cell.now + number * APART_S);
  }

  #sendIfFull() {
    if (this.#added.bytes > CALL_BYTES || this.#changed.bytes > CALL_BYTES) this.send();
  }
}

/** Lines for the owner, at most 64 of 500 bytes a call. Write neither places nor tokens. */
class Log {
  #host;

  constructor(host) {
    this.#host = host;
  }

  debug(text) {
    this.#host.call('log', 'debug', String(text));
  }

  info(text) {
    this.#host.call('log', 'info', String(text));
  }

  warn(text) {
    this.#host.call('log', 'warn', String(text));
  }
}

/** Private keys and values, for what outgrows `Cell.memory`: a key has 1 to 256 bytes, a value at most 256 KiB. */
class State {
  #host;

  constructor(host) {
    this.#host = host;
  }

  /** Bytes; `null` if the key has no value. */
  get(key) {
    return this.#host.call('state', 'get', key) ?? null;
  }

  put(key, value) {
    this.#host.call('state', 'put', key, value);
  }

  delete(key) {
    this.#host.call('state', 'delete', key);
  }

  /** Keys that begin with `prefix`, with their values, in the order of the keys' bytes. */
  *scan(prefix = '') {
    let after;
    for (;;) {
      const found = this.#host.call('state', 'scan', prefix, after, SCAN_KEYS);
      if (found.length === 0) return;
      yield* found;
      [after] = found[found.length - 1];
    }
  }
}

/** The request that an endpoint answers. */
class Request {
  #host;

  constructor(host) {
    this.#host = host;
  }

  get method() {
    return this.#host.call('request', 'method');
  }

  /** What follows the cell's path; often empty. */
  get rest() {
    return this.#host.call('request', 'rest');
  }

  /** The query of the address, as it was sent. */
  get query() {
    return this.#host.call('request', 'query');
  }

  /** What the caller was allowed, such as `datastreams:read`. */
  get scope() {
    return this.#host.call('request', 'scope');
  }

  get bodyBytes() {
    return Number(this.#host.call('request', 'bodyBytes'));
  }

  /** `accept`, `accept-language`, `content-type` or `if-none-match`; `null` for any other. */
  header(name) {
    return this.#host.call('request', 'header', name) ?? null;
  }

  /** All of the body, as bytes; the manifest lists `exchange`. */
  body() {
    const pieces = [];
    for (;;) {
      const piece = this.#host.call('exchange', 'read', BODY_PIECE_BYTES);
      if (piece.length === 0) return join(pieces);
      pieces.push(piece);
    }
  }
}

/** An answer. With a status of 400 or above, nothing is committed. */
export class Response {
  constructor(body, { status = 200, contentType } = {}) {
    // The last piece of an answer that `begin` started has no head of its own.
    this.setsHead = body !== undefined && body !== null;
    this.status = status;
    let kind = 'application/octet-stream';
    if (!this.setsHead || body instanceof Uint8Array) {
      this.body = body ?? new Uint8Array(0);
    } else if (typeof body === 'string') {
      this.body = encode(body);
      kind = 'text/plain; charset=utf-8';
    } else {
      this.body = encode(jsonText(body));
      kind = 'application/json';
    }
    this.contentType = contentType ?? kind;
  }
}
