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

export interface Span {
  from: string;
  to: string;
  trips: number;
  duration_s: number;
  distance_m: number;
  /** Metres by mode. */
  modes: Map<string, number>;
}

/** A trip of the table. */
interface Row {
  date: string;
  distance_m: number;
  duration_s: number;
  modes: [string, number][];
}

async function rows(from: string, to: string): Promise<Row[]> {
  const exported = await ask<DiaryExported>('export-diary', { format: 'csv', from, to, output: null });
  const [head, ...lines] = fields(exported.text ?? '');
  const column = (name: string) => head?.indexOf(name) ?? -1;
  const [start, metres, seconds, modes] = ['start_local_time', 'distance_m', 'duration_s', 'modes_m'].map(column) as [
    number,
    number,
    number,
    number,
  ];
  return lines.map((line) => ({
    date: line[start]?.slice(0, 10) ?? '',
    distance_m: Number(line[metres]) || 0,
    duration_s: Number(line[seconds]) || 0,
    modes: [...(line[modes] ?? '').matchAll(/(\w+) (\d+)/g)].map(([, mode, length]) => [mode ?? '', Number(length)]),
  }));
}

function add(sum: Omit<Week, 'from'>, row: Row): void {
  sum.trips += 1;
  sum.distance_m += row.distance_m;
  sum.duration_s += row.duration_s;
  for (const [mode, metres] of row.modes) sum.modes.set(mode, (sum.modes.get(mode) ?? 0) + metres);
}

/** Days from a date to another one, both included. */
export function length(from: string, to: string): number {
  return Math.round((Date.parse(`${to}T12:00:00Z`) - Date.parse(`${from}T12:00:00Z`)) / 86_400_000) + 1;
}

/** A span of days, both included. */
export async function spanOf(from: string, to: string): Promise<Span> {
  const sum: Span = { from, to, trips: 0, duration_s: 0, distance_m: 0, modes: new Map() };
  for (const row of await rows(from, to)) add(sum, row);
  return sum;
}

/** The weeks up to the one of `last`, the newest first; also those without a trip. */
export async function weeks(last: string, count: number): Promise<Week[]> {
  const newest = monday(last);
  const all = Array.from({ length: count }, (_, index): Week => {
    return { from: later(newest, -7 * index), trips: 0, duration_s: 0, distance_m: 0, modes: new Map() };
  });
  for (const row of await rows(later(newest, -7 * (count - 1)), later(newest, 6))) {
    const week = /^\d{4}-\d\d-\d\d$/.test(row.date) ? all.find(({ from }) => from === monday(row.date)) : undefined;
    if (week) add(week, row);
  }
  return all;
}
