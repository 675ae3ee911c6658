// Entries as they cross between the runtime and a cell: pages on their way out, rows on their way in.
//
// The form of the bytes is that of docs/formats/page.md, format 1. A page that breaks its rules is refused whole.

import { decode, encode, join } from './text.js';

export const PAGE_FORMAT = 1;
const ID_BYTES = 12;
const PAGE_HEAD_BYTES = 16;
const RECORD_BYTES = 48;
const ROWS_HEAD_BYTES = 8;
const ROW_BYTES = 28;
const PAGE_MAGIC = 0x31475043; // CPG1
const ROWS_MAGIC = 0x31575243; // CRW1
const INVALID = 1;
// From the beginning of an entry to its metadata, and from their end to its data, bytes.
const TO_METADATA = 109;
const TO_DATA = 8;

/** The runtime refused, or a cell gives up: a code such as `denied`, and words for people. */
export class Failure extends Error {
  constructor(code, text) {
    super(code ? `${code}: ${text}` : text);
    this.name = 'Failure';
    this.code = code;
    this.text = text;
  }
}

/** One entry. Metadata and data are parsed when they are asked for, and then kept. */
export class Entry {
  #metadata;
  #data;

  constructor(id, key, invalid, writeTs, time, metadataBytes, dataBytes) {
    /** 24 digits in hex, for `Output.replace`, `findIds` and so on. */
    this.id = id;
    /** Such as `background/location`. */
    this.key = key;
    /** Whether it is marked invalid; only a query with `withInvalid` finds such entries. */
    this.invalid = invalid;
    /** When the phone or a stage wrote it, s. */
    this.writeTs = writeTs;
    /** The time that the query asked by, s; NaN where the entry has none. */
    this.time = time;
    /** JSON, as bytes. */
    this.metadataBytes = metadataBytes;
    /** JSON, as bytes. */
    this.dataBytes = dataBytes;
  }

  get metadata() {
    this.#metadata ??= JSON.parse(decode(this.metadataBytes));
    return this.#metadata;
  }

  get data() {
    this.#data ??= JSON.parse(decode(this.dataBytes));
    return this.#data;
  }
}

/** Rows of locations, column by column; every column has as many values. An absent number is NaN. */
export class Columns {
  constructor(cursor) {
    this.ids = splitIds(cursor.ids());
    /** When each was taken, s. */
    this.ts = cursor.ts();
    /** When the phone or a stage wrote each, s. */
    this.writeTs = cursor.writeTs();
    /** Degrees. */
    this.latitude = cursor.latitude();
    /** Degrees. */
    this.longitude = cursor.longitude();
    /** m. */
    this.accuracy = cursor.accuracy();
    /** 0 absent, 1 `time`, 2 `distance`, 3 anything else. */
    this.filter = cursor.filter();
    /** 0 for none, otherwise the place in `devices` plus one; empty where no entry names a device. */
    this.device = cursor.device();
    this.devices = cursor.devices();
    this.length = this.ts.length;
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function idAt(bytes, at) {
  let id = '';
  for (let byte = at; byte < at + ID_BYTES; byte += 1) id += HEX[bytes[byte]];
  return id;
}

/** Ids in hex from their packed form. */
export function splitIds(packed) {
  const ids = [];
  for (let at = 0; at + ID_BYTES <= packed.length; at += ID_BYTES) ids.push(idAt(packed, at));
  return ids;
}

/** The packed form of ids in hex. */
export function packIds(ids) {
  const packed = new Uint8Array(ID_BYTES * ids.length);
  ids.forEach((id, number) => {
    if (!/^[0-9a-f]{24}$/.test(id)) throw new TypeError(`an id has ${2 * ID_BYTES} digits in hex`);
    for (let byte = 0; byte < ID_BYTES; byte += 1) {
      packed[number * ID_BYTES + byte] = parseInt(id.slice(2 * byte, 2 * byte + 2), 16);
    }
  });
  return packed;
}

function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The entries of a page, in order. */
export function readPage(page) {
  const bad = () => new RangeError(`a page of ${page.length} bytes is not in format ${PAGE_FORMAT}`);
  const view = viewOf(page);
  if (page.length < PAGE_HEAD_BYTES || view.getUint32(0, true) !== PAGE_MAGIC) throw bad();
  const count = view.getUint32(4, true);
  const begin = view.getUint32(8, true);
  const length = view.getUint32(12, true);
  const namesAt = PAGE_HEAD_BYTES + count * RECORD_BYTES;
  if (namesAt + 2 > begin || begin + length > page.length) throw bad();
  const names = readNames(page, view, namesAt, begin, bad);
  const entries = [];
  for (let at = PAGE_HEAD_BYTES; at < namesAt; at += RECORD_BYTES) {
    const key = names[view.getUint16(at + 12, true)];
    const offset = view.getUint32(at + 16, true);
    const end = offset + view.getUint32(at + 20, true);
    const metadataAt = offset + TO_METADATA;
    const metadataEnd = metadataAt + view.getUint32(at + 24, true);
    const dataAt = metadataEnd + TO_DATA;
    const dataEnd = dataAt + view.getUint32(at + 28, true);
    if (key === undefined || dataEnd > end || end > length) throw bad();
    entries.push(
      new Entry(
        idAt(page, at),
        key,
        (view.getUint16(at + 14, true) & INVALID) !== 0,
        view.getFloat64(at + 32, true),
        view.getFloat64(at + 40, true),
        page.subarray(begin + metadataAt, begin + metadataEnd),
        page.subarray(begin + dataAt, begin + dataEnd),
      ),
    );
  }
  return entries;
}

function readNames(page, view, from, end, bad) {
  const names = [];
  let at = from + 2;
  for (let left = view.getUint16(from, true); left > 0; left -= 1) {
    if (at + 2 > end) throw bad();
    const length = view.getUint16(at, true);
    at += 2;
    if (at + length > end) throw bad();
    names.push(decode(page.subarray(at, at + length)));
    at += length;
  }
  return names;
}

/** A page of these entries, as the runtime packs them; for runtimes of tests. `user`: 32 digits in hex. */
export function writePage(entries, user) {
  const names = [...new Set(entries.map((entry) => entry.key))].sort();
  const packedNames = names.map(encode);
  const texts = entries.map((entry, number) => {
    const head = `{"_id":{"$oid":"${entry.id}"},"user_id":{"$uuid":"${user}"},"metadata":`;
    const tail = entry.invalid ? ',"invalid":true}' : '}';
    const parts = [encode(head), entry.metadataBytes, encode(',"data":'), entry.dataBytes, encode(tail)];
    return { text: join(parts), comma: number > 0 };
  });
  const namesBytes = packedNames.reduce((size, name) => size + 2 + name.length, 2);
  const begin = PAGE_HEAD_BYTES + entries.length * RECORD_BYTES + namesBytes;
  const payload = join(texts.map(({ text, comma }) => (comma ? join([encode(','), text]) : text)));
  const page = new Uint8Array(begin + payload.length);
  const view = viewOf(page);
  [PAGE_MAGIC, entries.length, begin, payload.length].forEach((word, n) => view.setUint32(4 * n, word, true));
  let offset = 0;
  entries.forEach((entry, number) => {
    const at = PAGE_HEAD_BYTES + number * RECORD_BYTES;
    offset += texts[number].comma ? 1 : 0;
    page.set(packIds([entry.id]), at);
    view.setUint16(at + 12, names.indexOf(entry.key), true);
    view.setUint16(at + 14, entry.invalid ? INVALID : 0, true);
    const sizes = [offset, texts[number].text.length, entry.metadataBytes.length, entry.dataBytes.length];
    sizes.forEach((word, n) => view.setUint32(at + 16 + 4 * n, word, true));
    view.setFloat64(at + 32, entry.writeTs, true);
    view.setFloat64(at + 40, entry.time, true);
    offset += texts[number].text.length;
  });
  let at = PAGE_HEAD_BYTES + entries.length * RECORD_BYTES;
  view.setUint16(at, names.length, true);
  at += 2;
  for (const name of packedNames) {
    view.setUint16(at, name.length, true);
    page.set(name, at + 2);
    at += 2 + name.length;
  }
  page.set(payload, begin);
  return page;
}

/** Rows that are being packed. */
export class Rows {
  #pieces = [];

  constructor() {
    this.count = 0;
    this.bytes = 0;
  }

  /** `id` in hex, or `null` for a new entry; metadata and data as JSON. */
  add(id, key, metadata, data) {
    const parts = [key, metadata, data].map(encode);
    const head = new Uint8Array(ROW_BYTES);
    if (id !== null) head.set(packIds([id]));
    const view = viewOf(head);
    view.setUint16(12, parts[0].length, true);
    view.setUint32(16, parts[1].length, true);
    view.setUint32(20, parts[2].length, true);
    const row = join([head, ...parts]);
    this.#pieces.push(row);
    this.count += 1;
    this.bytes += row.length;
  }

  /** The packed form; none are left. */
  take() {
    const head = new Uint8Array(ROWS_HEAD_BYTES);
    viewOf(head).setUint32(0, ROWS_MAGIC, true);
    viewOf(head).setUint32(4, this.count, true);
    const packed = join([head, ...this.#pieces]);
    this.#pieces = [];
    this.count = 0;
    this.bytes = 0;
    return packed;
  }
}

/** Rows as `{ id, key, metadata, data }`, as the runtime unpacks them; for runtimes of tests. */
export function readRows(packed) {
  const bad = () => new Failure('invalid', 'the rows are not packed as rows');
  const view = viewOf(packed);
  if (packed.length < ROWS_HEAD_BYTES || view.getUint32(0, true) !== ROWS_MAGIC) throw bad();
  const rows = [];
  let at = ROWS_HEAD_BYTES;
  for (let left = view.getUint32(4, true); left > 0; left -= 1) {
    if (at + ROW_BYTES > packed.length) throw bad();
    const id = idAt(packed, at);
    const sizes = [view.getUint16(at + 12, true), view.getUint32(at + 16, true), view.getUint32(at + 20, true)];
    at += ROW_BYTES;
    const [key, metadata, data] = sizes.map((size) => {
      if (at + size > packed.length) throw bad();
      at += size;
      return packed.slice(at - size, at);
    });
    rows.push({ id: /^0+$/.test(id) ? null : id, key: decode(key), metadata, data });
  }
  if (at !== packed.length) throw bad();
  return rows;
}
