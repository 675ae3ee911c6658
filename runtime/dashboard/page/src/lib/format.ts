// Numbers and times as people read them.

import { locale, settings } from './settings.svelte';

export function distance(metres: number): string {
  if (settings.units === 'mi') return `${(metres / 1609.344).toFixed(1)} mi`;
  return metres < 1000 ? `${Math.round(metres)} m` : `${(metres / 1000).toFixed(1)} km`;
}

export function duration(seconds: number): string {
  const minutes = Math.max(0, Math.round(seconds / 60));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${String(minutes % 60).padStart(2, '0')} min` : `${Math.round(hours / 24)} d`;
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KiB`;
  return `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

/** A moment on this device's clock. */
export function moment(seconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(seconds * 1000);
}

export function day(seconds: number): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'full' }).format(seconds * 1000);
}

export function ago(seconds: number): string {
  const since = seconds - Date.now() / 1000;
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
  ];
  for (const [unit, length] of steps) {
    if (Math.abs(since) >= length) return format.format(Math.trunc(since / length), unit);
  }
  return format.format(0, 'minute');
}

/** `HH:MM` of a local time with its offset, in the zone of the trip. */
export function clock(local: string): string {
  return local.slice(11, 16);
}

/** A date such as `2024-03-04` in words. */
export function date(iso: string): string {
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'full', timeZone: 'UTC' }).format(
    new Date(`${iso}T12:00:00Z`),
  );
}

/** The date so many days later. */
export function later(iso: string, days: number): string {
  const at = new Date(`${iso}T12:00:00Z`);
  at.setUTCDate(at.getUTCDate() + days);
  return at.toISOString().slice(0, 10);
}
