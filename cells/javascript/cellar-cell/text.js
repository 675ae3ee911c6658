// Text, bytes and JSON. One of the engines has neither TextDecoder nor TextEncoder.

const PIECE_BYTES = 8192;
const decoder = typeof TextDecoder === 'undefined' ? null : new TextDecoder();
const encoder = typeof TextEncoder === 'undefined' ? null : new TextEncoder();

/** The text of UTF-8. */
export function decode(bytes) {
  if (decoder) return decoder.decode(bytes);
  let text = '';
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + PIECE_BYTES));
  }
  // One character for each byte until here; most texts have no others than ASCII.
  return /[\x80-\xff]/.test(text) ? decodeURIComponent(escape(text)) : text;
}

/** The UTF-8 of a text. */
export function encode(text) {
  if (encoder) return encoder.encode(text);
  // eslint-disable-next-line no-control-regex
  const wide = /[^\x00-\x7f]/.test(text) ? unescape(encodeURIComponent(text)) : text;
  const bytes = new Uint8Array(wide.length);
  for (let at = 0; at < wide.length; at += 1) bytes[at] = wide.charCodeAt(at);
  return bytes;
}

/** Several arrays of bytes as one. */
export function join(pieces) {
  const bytes = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** A number that is written with a point also where it is whole: 1500.0, as other languages write their doubles. */
export class Double {
  constructor(value) {
    this.value = Number(value);
  }

  valueOf() {
    return this.value;
  }
}

/** Marks a number as one that has a point; see `Double`. */
export function double(value) {
  return new Double(value);
}

/**
 * JSON with sorted members: the same value always gives the same text. Numbers have the shortest form that reads as the
 * same number again. NaN and infinities are a TypeError.
 */
export function jsonText(value) {
  if (value instanceof Double) return doubleText(value.value);
  if (value && typeof value.toJSON === 'function') return jsonText(value.toJSON());
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`JSON has no form for ${value}`);
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) {
    return `[${value.map((item) => (isLeftOut(item) ? 'null' : jsonText(item))).join(',')}]`;
  }
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const names = Object.keys(value).filter((name) => !isLeftOut(value[name]));
  return `{${names.sort().map((name) => `${JSON.stringify(name)}:${jsonText(value[name])}`).join(',')}}`;
}

function isLeftOut(value) {
  return value === undefined || typeof value === 'function' || typeof value === 'symbol';
}

function doubleText(value) {
  if (!Number.isFinite(value)) throw new TypeError(`JSON has no form for ${value}`);
  const text = Object.is(value, -0) ? '-0' : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
