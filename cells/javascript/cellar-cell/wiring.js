// Clock, randomness and printing of JavaScript, wired to the run that is going on.
//
// While a call of a cell goes on, `Date` stands at its `now`, `Math.random` and `crypto` draw from its `seed`, and
// `console` writes to its log. A repeated run gives the same. Outside of calls everything is as usual.

const usualDate = globalThis.Date;
const usualRandom = Math.random;
const usualConsole = globalThis.console;
let going = null;

/** Calls `body` as a call that began at `now` (s). `log`: functions for lines, or `null` to drop them. */
export function during(now, seed, log, body) {
  const before = going;
  going = { nowMs: now * 1000, draw: generator(seed), log };
  try {
    return body();
  } finally {
    going = before;
  }
}

/** xoshiro128**, from a seed of 64 bits: numbers of 32 bits. */
function generator(seed) {
  let mixed = BigInt(seed);
  const state = new Uint32Array(4);
  for (let word = 0; word < 4; word += 1) {
    // splitmix64, so that near seeds give far states.
    mixed = BigInt.asUintN(64, mixed + 0x9e3779b97f4a7c15n);
    let z = mixed;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    state[word] = Number(BigInt.asUintN(32, z ^ (z >> 31n)));
  }
  const turn = (value, bits) => (value << bits) | (value >>> (32 - bits));
  return () => {
    const drawn = Math.imul(turn(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = turn(state[3], 11);
    return drawn;
  };
}

class CellDate extends usualDate {
  constructor(...given) {
    if (given.length === 0 && going) super(going.nowMs);
    else super(...given);
  }

  static now() {
    return going ? Math.floor(going.nowMs) : usualDate.now();
  }
}

function random() {
  if (!going) return usualRandom.call(Math);
  // 53 bits, as the usual one has.
  const high = going.draw() >>> 5;
  return (high * 0x4000000 + (going.draw() >>> 6)) / 0x20000000000000;
}

function getRandomValues(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Math.floor(random() * 256);
  return array;
}

function randomUUID() {
  const bytes = getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

function line(level) {
  return (...words) => {
    if (!going) {
      usualConsole?.[level]?.(...words);
    } else if (going.log) {
      going.log[level === 'error' ? 'warn' : level === 'log' ? 'info' : level](words.map(shown).join(' '));
    }
  };
}

function shown(value) {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

function set(of, name, value) {
  try {
    Object.defineProperty(of, name, { value, configurable: true, writable: true });
  } catch {
    // An engine that does not let it be replaced has another way to keep it from a cell.
  }
}

/** Wires them. To be called before a cell's module is evaluated. */
export function install() {
  if (globalThis.Date !== usualDate) return;
  set(globalThis, 'Date', CellDate);
  set(Math, 'random', random);
  const levels = ['debug', 'info', 'log', 'warn', 'error'].map((level) => [level, line(level)]);
  set(globalThis, 'console', { ...usualConsole, ...Object.fromEntries(levels) });
}

/** What a component needs besides: its engine has no clock and draws no random numbers. */
export function seal() {
  set(globalThis, 'crypto', { getRandomValues, randomUUID });
  set(globalThis, 'performance', { now: () => (going ? going.nowMs : usualDate.now()), timeOrigin: 0 });
}
