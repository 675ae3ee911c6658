// The module over its runtime in memory: what cells rely on.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Failure, Response, decode, double, encode, jsonText } from '../cellar-cell/index.js';
import { serverMetadata } from '../cellar-cell/dates.js';
import { Entry, readPage, writePage } from '../cellar-cell/entries.js';
import { Memory } from '../cellar-cell/testing.js';

const NOW = 1_709_712_000.5;

test('entries come by the time that was asked for and over many pages', () => {
  const memory = new Memory();
  for (let number = 0; number < 500; number += 1) {
    memory.add('a/b', { end_ts: 1000 - number, text: 'ü'.repeat(300) });
  }
  memory.add('c/d', { ts: 1 });
  const seen = [];
  memory.run((cell) => {
    for (const { time, data, metadata } of cell.find('a/b', { time: 'end-ts', start: 600, end: 1000 })) {
      seen.push([time, data.end_ts, metadata.key]);
    }
    assert.equal(cell.count(), 501);
  }, NOW);
  assert.deepEqual(seen, Array.from({ length: 401 }, (_, n) => [600 + n, 600 + n, 'a/b']));
});

test('locations are columns of numbers', () => {
  const memory = new Memory();
  const metadata = { device: 'd', platform: 'ios' };
  memory.add('a/b', { ts: 2, latitude: 47.5, filter: 'distance' }, { metadata });
  memory.add('a/b', { ts: 1, longitude: 8.5 }, { writeTs: 7 });
  let pieces;
  memory.run((cell) => {
    pieces = [...cell.locations('a/b', { time: 'data-ts', rowsMax: 1 })];
  }, NOW);
  const [first, second] = pieces;
  assert.deepEqual([first.ts[0], first.writeTs[0], first.longitude[0], first.latitude[0]], [1, 7, 8.5, NaN]);
  assert.deepEqual([second.filter[0], second.device[0], second.devices], [2, 1, ['d/ios']]);
});

test('a page that breaks the rules is refused whole', () => {
  const entry = new Entry('01'.repeat(12), 'a/b', true, 1, 2, encode('{"key":"a/b"}'), encode('{"x":1}'));
  const page = writePage([entry, entry], 'ab'.repeat(16));
  for (const one of readPage(page)) {
    assert.deepEqual([one.id, one.invalid, one.writeTs, one.time, one.data], [entry.id, true, 1, 2, { x: 1 }]);
  }
  for (let cut = 0; cut < page.length; cut += 1) {
    assert.throws(() => readPage(page.slice(0, cut)), RangeError, `${cut}`);
  }
});

test('what a run writes is dated and kept when it succeeds', () => {
  const memory = new Memory();
  memory.run((cell) => {
    cell.output.insert('a/b', { b: 1, a: 2 });
    cell.output.insert('a/b', { b: 2 });
    const [first] = cell.output.takeIds();
    cell.output.replace('a/b', first, { b: 3 });
    cell.state.put('k', encode('v'));
  }, NOW);
  const [first, second] = memory.ofKey('a/b');
  assert.deepEqual([decode(first.dataBytes), second.data], ['{"b":3}', { b: 2 }]);
  assert.equal(second.metadata.write_ts, NOW + 1e-6);
  assert.deepEqual([...memory.state], [['k', encode('v')]]);
  const fail = (cell) => {
    cell.output.delete([first.id]);
    throw new Failure('mine', 'words');
  };
  assert.throws(() => memory.run(fail, NOW), Failure);
  assert.equal(memory.ofKey('a/b').length, 2);
  memory.run((cell) => cell.output.delete([first.id]), NOW);
  assert.equal(memory.ofKey('a/b').length, 1);
});

test('the server writes local times by the clock of its zone', () => {
  const told = (ts) => JSON.parse(serverMetadata('a/b', ts)).write_fmt_time;
  assert.equal(told(1_600_000_000.25), '2020-09-13T05:26:40.250000-07:00');
  assert.equal(told(1_457_863_199), '2016-03-13T01:59:59-08:00');
  assert.equal(told(1_457_863_200), '2016-03-13T03:00:00-07:00');
  assert.equal(told(1_478_422_799), '2016-11-06T01:59:59-07:00');
  assert.equal(told(1_478_422_800), '2016-11-06T01:00:00-08:00');
});

test('json is sorted, doubles have a point, and a number without a form is refused', () => {
  const value = { b: double(1500), a: [1, undefined, null, double(-0)], c: undefined, d: 0.1, e: 'ü"' };
  assert.equal(jsonText(value), '{"a":[1,null,null,-0.0],"b":1500.0,"d":0.1,"e":"ü\\""}');
  assert.throws(() => jsonText({ x: NaN }), TypeError);
  assert.throws(() => jsonText(double(Infinity)), TypeError);
});

test('clock, randomness and printing follow the run', () => {
  const run = (cell) => {
    console.log('one', 2, { a: 1 });
    console.error('bad');
    cell.remember([Date.now(), new Date().getTime(), Math.random()]);
  };
  const [first, second, other] = [7n, 7n, 8n].map((seed) => new Memory({ seed }));
  for (const memory of [first, second, other]) memory.run(run, NOW);
  assert.deepEqual(JSON.parse(decode(first.memory)).slice(0, 2), [NOW * 1000, NOW * 1000]);
  assert.deepEqual(first.memory, second.memory);
  assert.notDeepEqual(first.memory, other.memory);
  assert.deepEqual(first.logLines, [['info', 'one 2 {"a":1}'], ['warn', 'bad']]);
  assert.notEqual(Date.now(), NOW * 1000);
});

test('a stage goes on from its mark while it asks for more', () => {
  const windows = [];
  new Memory().run((cell) => {
    windows.push(cell.window);
    cell.processedThrough = 100;
    cell.more = windows.length < 2;
  }, NOW);
  assert.deepEqual(windows, [
    { start: null, end: NOW - 5 },
    { start: 105, end: NOW - 5 },
  ]);
});

test('an answer is json unless it says otherwise', () => {
  const memory = new Memory();
  const echo = (cell) => ({ body: decode(cell.request.body()), rest: cell.request.rest });
  const answer = memory.call(echo, { body: 'x', rest: 'r' });
  assert.deepEqual([answer.status, answer.contentType], [200, 'application/json']);
  assert.equal(decode(answer.body), '{"body":"x","rest":"r"}');
  const refused = memory.call(() => new Response('no', { status: 404 }));
  assert.deepEqual([refused.status, decode(refused.body)], [404, 'no']);
});

test('an answer comes in pieces', () => {
  const answer = new Memory().call((cell) => {
    cell.begin({ contentType: 'text/csv' });
    cell.write('a,');
    cell.write(encode('b'));
  });
  assert.deepEqual([answer.contentType, decode(answer.body)], ['text/csv', 'a,b']);
});
