// A day's diary, from the GeoJSON of the runtime: docs/formats/diary.md describes it.

import { ask } from './api';
import type { DaysShown, DiaryExported, Feature, Position } from './types';

/** Visits that are this close are visits to one place, m. */
const SAME_PLACE_M = 150;

export interface Section {
  mode: string;
  distance_m: number;
  duration_s: number;
  lines: Position[][];
}

export interface Trip {
  id: string;
  start: string;
  end: string;
  start_ts: number;
  end_ts: number;
  zone: string;
  distance_m: number;
  duration_s: number;
  from: number;
  to: number;
  sections: Section[];
  labels: Record<string, string>;
}

export interface Day {
  trips: Trip[];
  places: Position[];
  unread: number;
}

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Metres between two positions, which are near each other. */
export function metres([east, north]: Position, [east2, north2]: Position): number {
  const scale = 111_195;
  const x = (east2 - east) * Math.cos((((north + north2) / 2) * Math.PI) / 180);
  return Math.hypot(x, north2 - north) * scale;
}

function linesOf(feature: Feature): Position[][] {
  switch (feature.geometry?.type) {
    case 'LineString':
      return [feature.geometry.coordinates];
    case 'MultiLineString':
      return feature.geometry.coordinates;
    case 'Point':
      return [[feature.geometry.coordinates]];
    default:
      return [];
  }
}

/** The labels that the owner gave, by key, such as `mode_confirm`. */
function labelsOf(value: unknown): Record<string, string> {
  const labels: Record<string, string> = {};
  if (typeof value !== 'object' || value === null) return labels;
  for (const [key, label] of Object.entries(value)) if (typeof label === 'string') labels[key] = label;
  return labels;
}

/** Reads a feature collection. */
export function read(collection: { features: Feature[] }, unread = 0): Day {
  const places: Position[] = [];
  const place = (at: Position | undefined): number => {
    if (!at) return -1;
    const known = places.findIndex((there) => metres(there, at) < SAME_PLACE_M);
    return known >= 0 ? known : places.push(at) - 1;
  };
  const parts = new Map<string, Feature[]>();
  for (const feature of collection.features) {
    const trip = feature.properties.trip;
    if (trip !== undefined) parts.set(trip, [...(parts.get(trip) ?? []), feature]);
  }
  const trips = collection.features
    .filter((feature) => feature.properties.feature_type === 'trip')
    .map((feature): Trip => {
      const own = feature.properties;
      const mine = parts.get(feature.id) ?? [];
      const at = (kind: string, other: string) => {
        const point = mine.find((part) => part.properties.feature_type === kind)?.geometry;
        const end = own[other] as { coordinates?: Position } | undefined;
        return point?.type === 'Point' ? point.coordinates : end?.coordinates;
      };
      return {
        id: feature.id,
        start: text(own['start_fmt_time']),
        end: text(own['end_fmt_time']),
        start_ts: number(own['start_ts']),
        end_ts: number(own['end_ts']),
        zone: text((own['start_local_dt'] as { timezone?: unknown } | undefined)?.timezone),
        distance_m: number(own['distance']),
        duration_s: number(own['duration']),
        from: place(at('start_place', 'start_loc')),
        to: place(at('end_place', 'end_loc')),
        sections: mine
          .filter((part) => part.properties.feature_type === 'section')
          .map((part) => ({
            mode: text(part.properties['mode']) || 'UNKNOWN',
            distance_m: number(part.properties['distance']),
            duration_s: number(part.properties['duration']),
            lines: linesOf(part),
          })),
        labels: labelsOf(own['user_input']),
      };
    });
  trips.sort((a, b) => a.start_ts - b.start_ts);
  return { trips, places, unread };
}

async function between(from: string, to: string): Promise<Day> {
  const exported = await ask<DiaryExported>('export-diary', { format: 'geojson', from, to, output: null });
  return read(JSON.parse(exported.text ?? '{"features":[]}') as { features: Feature[] }, exported.unread);
}

/** The trips that begin on that day, in the zone in which the phone was. */
export function dayOf(date: string): Promise<Day> {
  return between(date, date);
}

/** The dates of a month, `2024-03`, with data, and the time of which nothing is known. */
export function daysOf(month: string): Promise<DaysShown> {
  const [year, number] = month.split('-').map(Number) as [number, number];
  const last = new Date(Date.UTC(year, number, 0)).getUTCDate();
  return ask<DaysShown>('days', { from: `${month}-01`, to: `${month}-${String(last).padStart(2, '0')}` });
}

/** The date of the last trip before that moment, s. */
export async function lastDate(before_ts: number): Promise<string> {
  const day = await between(String(Math.floor(before_ts - 3 * 86400)), String(Math.ceil(before_ts)));
  return day.trips.at(-1)?.start.slice(0, 10) ?? new Date(before_ts * 1000).toISOString().slice(0, 10);
}

/** Consecutive sections of one mode, joined. */
export function modes(trip: Trip): { mode: string; distance_m: number }[] {
  const joined: { mode: string; distance_m: number }[] = [];
  for (const { mode, distance_m } of trip.sections) {
    const last = joined.at(-1);
    if (last?.mode === mode) last.distance_m += distance_m;
    else joined.push({ mode, distance_m });
  }
  return joined;
}

/** A to Z, then A1 and so on. */
export function letter(place: number): string {
  if (place < 0) return '?';
  const round = Math.floor(place / 26);
  return String.fromCharCode(65 + (place % 26)) + (round > 0 ? String(round) : '');
}

/** A label of a trip as the entry that a phone makes. */
export function labelEntry(trip: Trip, key: 'mode_confirm' | 'purpose_confirm', label: string, now_ms: number): unknown {
  return {
    metadata: {
      key: `manual/${key}`,
      type: 'message',
      // A stage that takes entries in knows the two platforms of phones alone.
      platform: 'android',
      read_ts: 0,
      write_ts: now_ms / 1000,
      time_zone: trip.zone || 'UTC',
    },
    data: { start_ts: trip.start_ts, end_ts: trip.end_ts, label },
  };
}
