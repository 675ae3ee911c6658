// How positions become places of a picture, and what is drawn from that alone. Both maps use it.

import type { FeatureCollection } from 'geojson';
import { metres, type Day } from '../diary';
import { look } from '../modes';
import type { Position } from '../types';

export interface View {
  width: number;
  height: number;
  /** Where a position is in the picture, pixels. */
  place: (at: Position) => [number, number];
  west: number;
  east: number;
  south: number;
  north: number;
}

/** How a map is moved. */
export interface Moved {
  zoomBy: (factor: number) => void;
  /** Shows what is so many pixels to the east and to the south. */
  moveBy: (x: number, y: number) => void;
  /** Shows all of it. */
  fit: () => void;
}

export interface Bounds {
  west: number;
  south: number;
  east: number;
  north: number;
}

/** How near to a track a press has to be, pixels. */
const NEAR = 14;
/** The most lines of one direction. */
const LINES_MAX = 40;
/** How long a scale bar is at most, pixels. */
const BAR = 160;

/** 1, 2 or 5 times a power of ten that is at most this. */
function round(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((step) => step * power).find((step) => step <= most) ?? power;
}

/** The smallest box around them; undefined: there are none. */
export function boundsOf(points: Position[]): Bounds | undefined {
  const first = points[0];
  if (!first) return undefined;
  const box = { west: first[0], east: first[0], south: first[1], north: first[1] };
  for (const [lon, lat] of points) {
    box.west = Math.min(box.west, lon);
    box.east = Math.max(box.east, lon);
    box.south = Math.min(box.south, lat);
    box.north = Math.max(box.north, lat);
  }
  return box;
}

/** What is to be seen whole: the chosen trip, or all of the day. */
export function pointsOf(day: Day, chosen: string | undefined): Position[] {
  const trips = day.trips.filter((trip) => chosen === undefined || trip.id === chosen);
  const lines = trips.flatMap((trip) => trip.sections.flatMap((section) => section.lines.flat()));
  const ends = trips.flatMap((trip) => [day.places[trip.from], day.places[trip.to]]);
  return [...lines, ...(chosen === undefined ? day.places : ends.filter((at) => at !== undefined))];
}

/** The tracks of a day; those of trips that are not the chosen one are faint, and lie below it. */
export function linesOf(day: Day, chosen: string | undefined): FeatureCollection {
  const features = day.trips.flatMap((trip) =>
    trip.sections.map((section) => ({
      type: 'Feature' as const,
      properties: { group: look(section.mode).group, faint: chosen !== undefined && trip.id !== chosen },
      geometry: { type: 'MultiLineString' as const, coordinates: section.lines },
    })),
  );
  features.sort((a, b) => Number(b.properties.faint) - Number(a.properties.faint));
  return { type: 'FeatureCollection', features };
}

/** A scale bar of a round length for the middle of the picture. */
export function barOf(view: View): { metres: number; width: number } {
  const middle = (view.south + view.north) / 2;
  const [left, right] = [view.place([view.west, middle])[0], view.place([view.east, middle])[0]];
  const length = metres([view.west, middle], [view.east, middle]);
  const scale = (right - left) / Math.max(length, 1);
  const bar = round(BAR / scale);
  return { metres: bar, width: bar * scale };
}

/** Lines of round degrees. */
export function graticuleOf(view: View): { digits: number; east: number[]; north: number[] } {
  const step = Math.min(30, round(Math.max(view.east - view.west, 1e-5) * 0.34));
  const lines = (from: number, to: number) => {
    const first = Math.ceil(from / step);
    const count = Math.max(0, Math.min(LINES_MAX, Math.floor(to / step) - first + 1));
    return Array.from({ length: count }, (_, index) => (first + index) * step);
  };
  return {
    digits: Math.max(0, Math.ceil(-Math.log10(step))),
    east: lines(view.west, view.east),
    north: lines(Math.max(-85, view.south), Math.min(85, view.north)),
  };
}

/** The trip whose track is nearest to a place of the picture; undefined: none is near. */
export function tripAt(day: Day, view: View, x: number, y: number): string | undefined {
  let best = NEAR;
  let found: string | undefined;
  for (const trip of day.trips) {
    for (const line of trip.sections.flatMap((section) => section.lines)) {
      let before: [number, number] | undefined;
      for (const point of line) {
        const at = view.place(point);
        const away = apart(before ?? at, at, x, y);
        if (away < best) [best, found] = [away, trip.id];
        before = at;
      }
    }
  }
  return found;
}

/** How far a point is from a piece of a line. */
function apart([ax, ay]: [number, number], [bx, by]: [number, number], x: number, y: number): number {
  const square = (bx - ax) ** 2 + (by - ay) ** 2;
  const along = square === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / square));
  return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
}
