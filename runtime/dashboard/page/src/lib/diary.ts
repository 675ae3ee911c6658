// A day's diary, from the GeoJSON of the runtime: docs/formats/diary.md describes it.

import { ask } from './api';
import type { DaysShown, DiaryExported, Feature, PlacesShown, Position } from './types';

/** Visits that are this close are visits to one place, m. */
const SAME_PLACE_M = 150;

export interface Section {
  mode: string;
  distance_m: number;
  duration_s: number;
  lines: Position[][];
}

/** The span of a visit to a place, s. */
export interface Stay {
  start_ts: number;
  end_ts: number;
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
  /** The stay before the trip, and the one after it. */
  before: Stay | undefined;
  after: Stay | undefined;
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

/** The time with which a stay is called whose other end is not known, s. */
const STAY_S = 60;

function stayOf(place: Feature | undefined): Stay | undefined {
  const enter = number(place?.properties['enter_ts']);
  const exit = number(place?.properties['exit_ts']);
  if (enter === 0 && exit === 0) return undefined;
  return { start_ts: enter || exit - STAY_S, end_ts: exit || enter + STAY_S };
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
      const visit = (kind: string) => mine.find((part) => part.properties.feature_type === kind);
      const at = (kind: string, other: string) => {
        const point = visit(kind)?.geometry;
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
        before: stayOf(visit('start_place')),
        after: stayOf(visit('end_place')),
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

/** A name that the owner gave to a place. */
export interface PlaceName {
  name: string;
  at: Position;
}

/** The names that the owner gave, the last one last. */
export async function placeNames(): Promise<PlaceName[]> {
  const { places } = await ask<PlacesShown>('places');
  return places.map(({ name, longitude, latitude }) => ({ name, at: [longitude, latitude] }));
}

/** What the owner calls a place: what was said last of a place that is as near as this. */
export function nameOf(place: Position | undefined, names: PlaceName[]): string {
  if (!place) return '';
  return names.findLast(({ at }) => metres(at, place) < SAME_PLACE_M)?.name ?? '';
}

/** What the owner says of a span of time, as the entry that a phone makes. */
function manualEntry(key: string, zone: string, now_ms: number, data: unknown): unknown {
  return {
    metadata: {
      key: `manual/${key}`,
      type: 'message',
      // A stage that takes entries in knows the two platforms of phones alone.
      platform: 'android',
      read_ts: 0,
      write_ts: now_ms / 1000,
      time_zone: zone || 'UTC',
    },
    data,
  };
}

/** A label of a trip. */
export function labelEntry(trip: Trip, key: 'mode_confirm' | 'purpose_confirm', label: string, now_ms: number): unknown {
  return manualEntry(key, trip.zone, now_ms, { start_ts: trip.start_ts, end_ts: trip.end_ts, label });
}

/** The name of a place, as a form about a stay there; an empty one takes back the name. */
export function nameEntry(stay: Stay, zone: string, label: string, now_ms: number): unknown {
  return manualEntry('place_user_input', zone, now_ms, { ...stay, label, name: 'place-name' });
}
