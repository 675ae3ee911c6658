// How far, how long and how often, by mode, per week: from the table of trips that the runtime writes.

import { ask } from './api';
import { fields } from './csv';
import { later } from './format';
import type { DiaryExported } from './types';

export interface Week {
  /** Its Monday. */
  from: string;
  trips: number;
  duration_s: number;
  distance_m: number;
  /** Metres by mode. */
  modes: Map<string, number>;
}

/** The Monday of a date. */
export function monday(date: string): string {
  return later(date, -((new Date(`${date}T12:00:00Z`).getUTCDay() + 6) % 7));
}

/** The weeks up to the one of `last`, the newest first; also those without a trip. */
export async function weeks(last: string, count: number): Promise<Week[]> {
  const newest = monday(last);
  const all = Array.from({ length: count }, (_, index): Week => {
    return { from: later(newest, -7 * index), trips: 0, duration_s: 0, distance_m: 0, modes: new Map() };
  });
  const members = { format: 'csv', from: later(newest, -7 * (count - 1)), to: later(newest, 6), output: null };
  const exported = await ask<DiaryExported>('export-diary', members);
  const [head, ...rows] = fields(exported.text ?? '');
  const column = (name: string) => head?.indexOf(name) ?? -1;
  const [start, metres, seconds, modes] = ['start_local_time', 'distance_m', 'duration_s', 'modes_m'].map(column) as [
    number,
    number,
    number,
    number,
  ];
  for (const row of rows) {
    const date = row[start]?.slice(0, 10) ?? '';
    const week = /^\d{4}-\d\d-\d\d$/.test(date) ? all.find(({ from }) => from === monday(date)) : undefined;
    if (!week) continue;
    week.trips += 1;
    week.distance_m += Number(row[metres]) || 0;
    week.duration_s += Number(row[seconds]) || 0;
    for (const [, mode, length] of (row[modes] ?? '').matchAll(/(\w+) (\d+)/g)) {
      week.modes.set(mode ?? '', (week.modes.get(mode ?? '') ?? 0) + Number(length));
    }
  }
  return all;
}
