// The interfaces of the contract over plain lists, as `Memory` of testing.js gives them to a cell.

import { Entry, Failure, PAGE_FORMAT, packIds, readRows, splitIds, writePage } from './entries.js';

const TIMES = {
  'data-ts': ['ts'],
  'start-ts': ['start_ts'],
  'end-ts': ['end_ts'],
  'enter-ts': ['enter_ts'],
  'exit-ts': ['exit_ts'],
  position: ['ts', 'start_ts', 'enter_ts', 'exit_ts'],
};
const USER = 'ab'.repeat(16);
const PAGE_BYTES_MIN = 4 << 10;
const PAGE_BYTES_MAX = 1 << 20;

export function stored(id, key, metadataBytes, dataBytes, invalid = false) {
  const entry = new Entry(id, key, invalid, NaN, NaN, metadataBytes, dataBytes);
  for (const name of ['metadata', 'data']) {
    if (typeof entry[name] !== 'object' || entry[name] === null || Array.isArray(entry[name])) {
      throw new Failure('invalid', `${name} of ${key} is not an object`);
    }
  }
  entry.writeTs = Number(entry.metadata.write_ts ?? NaN);
  return entry;
}

function timeOf(entry, field) {
  if (field === 'write-ts') return entry.writeTs;
  if (!(field in TIMES)) throw new Failure('invalid', `${field} is no time`);
  const name = TIMES[field].find((one) => typeof entry.data[one] === 'number');
  if (name !== undefined) return entry.data[name];
  return field === 'position' ? entry.writeTs : NaN;
}

export class Context {
  #memory;
  #now;
  #window;

  constructor(memory, now, window) {
    this.#memory = memory;
    this.#now = now;
    this.#window = window;
  }

  now() {
    return this.#now;
  }

  seed() {
    return this.#memory.seed;
  }

  windowStart() {
    return this.#window.start ?? undefined;
  }

  windowEnd() {
    return this.#window.end;
  }

  purpose() {
    return this.#memory.purpose;
  }

  grant() {
    return this.#memory.grant;
  }
}

export class StageRun {
  constructor(memory) {
    this.kept = memory;
    this.mark = null;
    this.more = false;
  }

  memory() {
    return this.kept;
  }

  setMemory(memory) {
    this.kept = memory;
  }

  setProcessedThrough(ts) {
    if (Number.isNaN(ts)) throw new Failure('invalid', 'a mark is not a number');
    this.mark = ts;
  }

  setMore(more) {
    this.more = more;
  }
}

class Query {
  constructor() {
    this.keys = [];
    this.field = 'position';
    this.bounds = [-Infinity, Infinity];
    this.latestFirst = false;
    this.withInvalid = false;
  }

  setKeys(keys) {
    this.keys = keys;
  }

  setTime(field) {
    this.field = field;
  }

  setBounds(start, end) {
    this.bounds = [start ?? -Infinity, end ?? Infinity];
  }

  setLatestFirst(latestFirst) {
    this.latestFirst = latestFirst;
  }

  setWithInvalid(withInvalid) {
    this.withInvalid = withInvalid;
  }
}

export class Read {
  Query = Query;

  constructor(entries) {
    this.entries = entries;
  }

  find(query) {
    return new Cursor(this.#matching(query));
  }

  findIds(keys, ids) {
    const known = splitIds(ids).map((id) => this.entries.get(id));
    const meant = known.filter((entry) => entry && (keys.length === 0 || keys.includes(entry.key)));
    return new Cursor(meant.map((entry) => ({ time: entry.writeTs, entry })));
  }

  count(query) {
    return BigInt(this.#matching(query).length);
  }

  findLocations(query) {
    return new Locations(this.#matching(query).map(({ entry }) => entry));
  }

  #matching(query) {
    const [start, end] = query.bounds;
    if (Number.isNaN(start) || Number.isNaN(end)) throw new Failure('invalid', 'a bound is not a number');
    const found = [];
    for (const entry of this.entries.values()) {
      const time = timeOf(entry, query.field);
      const isMeant = query.keys.length === 0 || query.keys.includes(entry.key);
      if (isMeant && start <= time && time <= end && (query.withInvalid || !entry.invalid)) {
        found.push({ time, entry });
      }
    }
    found.sort((a, b) => a.time - b.time || (a.entry.id < b.entry.id ? -1 : 1));
    return query.latestFirst ? found.reverse() : found;
  }
}

class Cursor {
  #found;

  constructor(found) {
    this.#found = found;
  }

  nextPage(format, bytesMax) {
    if (format !== PAGE_FORMAT) throw new Failure('unsupported', `format ${format}; there is ${PAGE_FORMAT}`);
    let room = Math.min(Math.max(bytesMax, PAGE_BYTES_MIN), PAGE_BYTES_MAX);
    const page = [];
    while (this.#found.length > 0) {
      const { time, entry } = this.#found[0];
      room -= entry.metadataBytes.length + entry.dataBytes.length + 200;
      if (page.length > 0 && room < 0) break;
      const { id, key, invalid, writeTs, metadataBytes, dataBytes } = entry;
      page.push(new Entry(id, key, invalid, writeTs, time, metadataBytes, dataBytes));
      this.#found.shift();
    }
    return page.length > 0 ? writePage(page, USER) : new Uint8Array(0);
  }
}

class Locations {
  #found;
  #rows = [];

  constructor(found) {
    this.#found = found;
  }

  advance(rowsMax) {
    this.#rows = this.#found.splice(0, rowsMax);
    return this.#rows.length;
  }

  ids() {
    return packIds(this.#rows.map((row) => row.id));
  }

  writeTs() {
    return Float64Array.from(this.#rows, (row) => row.writeTs);
  }

  ts() {
    return this.#numbers('ts');
  }

  latitude() {
    return this.#numbers('latitude');
  }

  longitude() {
    return this.#numbers('longitude');
  }

  accuracy() {
    return this.#numbers('accuracy');
  }

  filter() {
    const known = { time: 1, distance: 2 };
    const number = ({ data }) => (data.filter === undefined ? 0 : (known[data.filter] ?? 3));
    return Uint8Array.from(this.#rows, number);
  }

  device() {
    const names = this.devices();
    return names.length === 0 ? [] : this.#rows.map((row) => names.indexOf(deviceOf(row)) + 1);
  }

  devices() {
    return [...new Set(this.#rows.map(deviceOf))].filter((name) => name !== null).sort();
  }

  #numbers(name) {
    return Float64Array.from(this.#rows, ({ data }) => (typeof data[name] === 'number' ? data[name] : NaN));
  }
}

function deviceOf({ metadata }) {
  return metadata.device === undefined ? null : `${metadata.device}/${metadata.platform}`;
}

export class Write {
  #memory;
  #entries;

  constructor(memory, entries) {
    this.#memory = memory;
    this.#entries = entries;
    /** By id, in the order of writing; `null`: removed. */
    this.written = new Map();
  }

  insert(rows) {
    const ids = readRows(rows).map(({ id, key, metadata, data }) => {
      if (id !== null) throw new Failure('invalid', 'a new entry has no id yet');
      const given = this.#memory.allocate();
      this.written.set(given, stored(given, key, metadata, data));
      return given;
    });
    return packIds(ids);
  }

  replace(rows) {
    for (const { id, key, metadata, data } of readRows(rows)) {
      const old = this.#known(id);
      if (old.key !== key) throw new Failure('invalid', `an entry of ${old.key} stays one`);
      this.written.set(id, stored(id, key, metadata, data));
    }
  }

  delete(ids) {
    for (const id of splitIds(ids)) {
      this.#known(id);
      this.written.set(id, null);
    }
  }

  markInvalid(ids) {
    for (const id of splitIds(ids)) {
      const old = this.#known(id);
      this.written.set(id, stored(id, old.key, old.metadataBytes, old.dataBytes, true));
    }
  }

  #known(id) {
    const entry = this.written.has(id) ? this.written.get(id) : this.#entries.get(id);
    if (!entry) throw new Failure('invalid', `no entry has the id ${id}`);
    return entry;
  }
}

export class State {
  constructor(values) {
    this.values = values;
  }

  get(key) {
    return this.values.get(key);
  }

  put(key, value) {
    this.values.set(key, value);
  }

  delete(key) {
    this.values.delete(key);
  }

  scan(prefix, after, keysMax) {
    const keys = [...this.values.keys()].filter((key) => key.startsWith(prefix)).sort();
    const behind = keys.filter((key) => after === undefined || key > after);
    return behind.slice(0, keysMax).map((key) => [key, this.values.get(key)]);
  }
}

export class Log {
  #lines;

  constructor(lines) {
    this.#lines = lines;
  }

  debug(text) {
    this.#lines.push(['debug', text]);
  }

  info(text) {
    this.#lines.push(['info', text]);
  }

  warn(text) {
    this.#lines.push(['warn', text]);
  }
}

export class Request {
  #head;
  #bodyBytes;

  constructor(head, bodyBytes) {
    this.#head = { method: 'POST', rest: '', query: '', headers: {}, scope: '', ...head };
    this.#bodyBytes = bodyBytes;
  }

  method() {
    return this.#head.method;
  }

  rest() {
    return this.#head.rest;
  }

  query() {
    return this.#head.query;
  }

  header(name) {
    return this.#head.headers[name];
  }

  scope() {
    return this.#head.scope;
  }

  bodyBytes() {
    return BigInt(this.#bodyBytes);
  }
}

export class Response {
  constructor() {
    this.status = 200;
    this.contentType = '';
  }

  setStatus(status) {
    this.status = status;
  }

  setContentType(contentType) {
    this.contentType = contentType;
  }
}

export class Exchange {
  #body;
  #writes;
  #begun = false;

  constructor(body, writes) {
    this.#body = body;
    this.#writes = writes;
    this.pieces = [];
  }

  read(bytesMax) {
    const piece = this.#body.subarray(0, bytesMax);
    this.#body = this.#body.subarray(bytesMax);
    return piece;
  }

  begin() {
    if (this.#writes.written.size > 0) {
      throw new Failure('invalid', 'an answer in pieces cannot wait for a commit');
    }
    this.#begun = true;
  }

  write(piece) {
    if (!this.#begun) throw new Failure('invalid', 'write before begin');
    this.pieces.push(piece);
  }
}
