// Words in the reader's language: English is part of the page, others are files that are loaded when they are chosen.

import en from '../../messages/en.json';

type Messages = Record<string, string>;
export type Key = keyof typeof en;

const OTHERS: Record<string, () => Promise<{ default: Messages }>> = {
  de: () => import('../../messages/de.json'),
  es: () => import('../../messages/es.json'),
  fr: () => import('../../messages/fr.json'),
};

export const LANGUAGES = [
  ['en', 'English'],
  ['de', 'Deutsch'],
  ['es', 'Español'],
  ['fr', 'Français'],
] as const;

let messages = $state.raw<Messages>(en);

export async function choose(language: string): Promise<void> {
  const load = OTHERS[language];
  messages = load ? { ...en, ...(await load()).default } : en;
  document.documentElement.lang = load ? language : 'en';
}

/** The sentence of that key; `{name}` stands for a value. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const text = messages[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
}

/** The words for a value that the runtime names, or the value itself. */
export function named(group: string, value: string): string {
  return messages[`${group}.${value}`] ?? value.toLowerCase().replaceAll('_', ' ');
}
