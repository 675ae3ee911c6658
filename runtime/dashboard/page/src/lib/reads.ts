// Who read what: the lines of the audit as people read them.

import type { Device, Run } from './types';
import { named, t } from './words.svelte';

/** Who was shown it: the console, a device, an installed cell, or a part of the host. */
export type Reader = 'console' | 'device' | 'cell' | 'host';

export function reader(run: Run): Reader {
  if (run.device === 'console') return 'console';
  if (run.under) return 'cell';
  return run.device ? 'device' : 'host';
}

export function deviceName(id: string, devices: Device[]): string {
  if (id.startsWith('token-')) return t('reads.token');
  return devices.find((device) => device.id === id)?.name ?? t('reads.device', { id: id.slice(0, 8) });
}

/** The reader in words. */
export function who(run: Run, devices: Device[]): string {
  switch (reader(run)) {
    case 'console':
      return t('reads.console');
    case 'device':
      return deviceName(run.device ?? '', devices);
    default:
      return run.cell;
  }
}

/** The streams that were read, each once. */
export function streams(run: Run): string[] {
  const names = run.reads.flatMap((read) =>
    read.names.length > 0 ? read.names : [t('reads.all', { area: named('area', read.area ?? 'timeseries') })],
  );
  return [...new Set(names)];
}

/** The earliest and the latest moment that was asked for, s; without a bound, none. */
export function span(run: Run): [number | undefined, number | undefined] {
  const bounded = run.reads.filter((read) => read.time !== undefined);
  if (bounded.length === 0) return [undefined, undefined];
  const from = bounded.every((read) => read.from !== undefined)
    ? Math.min(...bounded.map((read) => read.from ?? 0))
    : undefined;
  const to = bounded.every((read) => read.to !== undefined)
    ? Math.max(...bounded.map((read) => read.to ?? 0))
    : undefined;
  return [from, to];
}

/** How many entries each reader was shown since that moment, most first. */
export function since(runs: Run[], ts: number, devices: Device[]): { who: string; kind: Reader; runs: number; entries: number }[] {
  const found = new Map<string, { who: string; kind: Reader; runs: number; entries: number }>();
  for (const run of runs) {
    if (run.ts < ts || run.cell === '') continue;
    const kind = reader(run);
    const name = kind === 'host' ? t('reads.host') : who(run, devices);
    const known = found.get(`${kind} ${name}`) ?? { who: name, kind, runs: 0, entries: 0 };
    known.runs += 1;
    known.entries += run.entries_read;
    found.set(`${kind} ${name}`, known);
  }
  return [...found.values()].sort((a, b) => b.entries - a.entries);
}
