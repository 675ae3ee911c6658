// What the reader has chosen for this browser. Nothing here is about the person's travel.

import { choose } from './words.svelte';

const NAME = 'cellar-settings';

interface Settings {
  language: string;
  theme: 'auto' | 'light' | 'dark';
  units: 'km' | 'mi';
  /** What lies under the tracks; undefined: the street map file, if there is one, and outlines otherwise. */
  map?: 'outlines' | 'file' | 'server';
  /** The address of a tile server's tiles. */
  tiles: string;
  /** When the reader last saw who read what, s. */
  looked_ts: number;
}

const DEFAULTS: Settings = { language: 'en', theme: 'auto', units: 'km', tiles: '', looked_ts: 0 };

function load(): Settings {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(NAME) ?? '{}');
    return { ...DEFAULTS, ...(kept as Partial<Settings>) };
  } catch {
    return { ...DEFAULTS };
  }
}

export const settings = $state<Settings>(load());

/** When the reader looked before this visit, s. */
export const lookedBefore: number = settings.looked_ts;

/** How the reader's system writes dates and numbers, if that is in the chosen language. */
export function locale(): string {
  return navigator.languages.find((tag) => tag.split('-')[0] === settings.language) ?? settings.language;
}

export function keep(change: Partial<Settings>): void {
  Object.assign(settings, change);
  localStorage.setItem(NAME, JSON.stringify(settings));
  apply();
}

export function apply(): void {
  const root = document.documentElement;
  if (settings.theme === 'auto') delete root.dataset['theme'];
  else root.dataset['theme'] = settings.theme;
  void choose(settings.language);
}
