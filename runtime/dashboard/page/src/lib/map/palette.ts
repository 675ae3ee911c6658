// Colours of a map. Those of the tracks are the page's own.

export interface Palette {
  sea: string;
  land: string;
  green: string;
  border: string;
  street: string;
  way: string;
  building: string;
  name: string;
  halo: string;
  track: Record<'walk' | 'bike' | 'road' | 'rail' | 'other', string>;
}

type Ground = Omit<Palette, 'name' | 'halo' | 'track'>;

const LIGHT: Ground = {
  sea: '#c6dbe8',
  land: '#f3efe6',
  green: '#d9e8cf',
  border: '#998f80',
  street: '#ffffff',
  way: '#c9bfae',
  building: '#e3dccf',
};
const DARK: Ground = {
  sea: '#15242e',
  land: '#23282d',
  green: '#20302a',
  border: '#7d858c',
  street: '#454d55',
  way: '#4a5058',
  building: '#2d343a',
};

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The colours of now. */
export function palette(): Palette {
  const root = document.documentElement;
  const theme = root.dataset['theme'];
  const style = getComputedStyle(root);
  const own = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ...((theme ?? (dark.matches ? 'dark' : 'light')) === 'dark' ? DARK : LIGHT),
    name: own('ink'),
    halo: own('card'),
    track: { walk: own('walk'), bike: own('bike'), road: own('road'), rail: own('rail'), other: own('other') },
  };
}

/** Calls back whenever the colours change; returns what ends that. */
export function followColours(changed: () => void): () => void {
  const theme = new MutationObserver(changed);
  theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  dark.addEventListener('change', changed);
  return () => {
    theme.disconnect();
    dark.removeEventListener('change', changed);
  };
}
