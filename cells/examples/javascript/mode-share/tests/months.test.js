// Whole runs of the stage over a runtime in memory.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Memory } from '../cellar-cell/testing.js';
import { MONTH, SECTION, run } from '../app.js';

const MARCH = 1_772_409_600;
const DAY = 86_400;

/** A section that ended so many days after the beginning of March 2026. */
function addSection(memory, day, mode, distance) {
  const [month, ofMonth] = day < 31 ? [3, day] : [4, day - 31];
  const local = { year: 2026, month, day: ofMonth + 1 };
  const data = { end_ts: MARCH + day * DAY, sensed_mode: mode, distance, start_local_dt: local };
  memory.add(SECTION, data, { writeTs: MARCH + 100 * DAY });
}

const months = (memory) => memory.ofKey(MONTH).map((entry) => entry.data);

test('sections are counted and their lengths summed by month and mode', () => {
  const memory = new Memory();
  addSection(memory, 1, 2, 1000);
  addSection(memory, 2, 2, 500);
  addSection(memory, 33, 5, 7000.5);
  memory.run(run, MARCH + 100 * DAY);
  assert.deepEqual(months(memory), [
    { month: '2026-03', ts: MARCH + 2 * DAY, modes: { 2: { sections: 2, distance: 1500 } } },
    { month: '2026-04', ts: MARCH + 33 * DAY, modes: { 5: { sections: 1, distance: 7000.5 } } },
  ]);
});

test('a month that goes on is one entry and no section counts twice', () => {
  const memory = new Memory();
  addSection(memory, 1, 2, 1000);
  memory.run(run, MARCH + 2 * DAY);
  addSection(memory, 3, 5, 10);
  memory.run(run, MARCH + 4 * DAY);
  memory.run(run, MARCH + 5 * DAY);
  const [month, ...others] = months(memory);
  assert.deepEqual(others, []);
  assert.deepEqual(month.modes, { 2: { sections: 1, distance: 1000 }, 5: { sections: 1, distance: 10 } });
});
