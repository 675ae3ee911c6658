// How far somebody went by each mode, month by month: one `study.mode-share/month` for each month.
//
// Sections are results of other stages, which are dated with the moment of the run that made them. So this stage asks
// for them by when they *ended*, and remembers itself how far it has come.

import { double } from './cellar-cell/index.js';

export const SECTION = 'analysis/inferred_section';
export const MONTH = 'study.mode-share/month';

/** Counts the sections that are new, and writes the months that they change. */
export function run(cell) {
  const memory = cell.remembered({ through: null, months: {} });
  const { through, months } = memory;
  const changed = new Set();
  for (const entry of cell.find(SECTION, { time: 'end-ts', start: through })) {
    const section = entry.data;
    // The bound is closed, and what ended then was counted.
    if (section.end_ts === through) continue;
    const { year, month } = section.start_local_dt;
    const name = `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}`;
    const known = (months[name] ??= { id: null, modes: {} });
    const total = (known.modes[section.sensed_mode] ??= { sections: 0, distance: 0 });
    total.sections += 1;
    total.distance += section.distance;
    known.ts = section.end_ts;
    memory.through = section.end_ts;
    changed.add(name);
  }
  write(cell.output, months, [...changed].sort());
  cell.remember(memory);
  cell.processedThrough = memory.through;
}

function write(output, months, changed) {
  const added = [];
  for (const name of changed) {
    const { id, ts, modes } = months[name];
    const totals = Object.entries(modes).map(([mode, { sections, distance }]) => {
      return [mode, { sections, distance: double(distance) }];
    });
    const data = { month: name, ts: double(ts), modes: Object.fromEntries(totals) };
    if (id === null) {
      added.push(name);
      output.insert(MONTH, data);
    } else {
      output.replace(MONTH, id, data);
    }
  }
  output.takeIds().forEach((id, number) => {
    months[added[number]].id = id;
  });
}
