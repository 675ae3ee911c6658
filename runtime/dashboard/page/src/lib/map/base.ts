// What lies under the tracks: outlines that come with the page, the street map file that was given to the runtime, or a tile
// server that the owner has allowed.

import { settings } from '../settings.svelte';
import type { About } from '../types';

export type Base = { kind: 'outlines' } | { kind: 'file' } | { kind: 'server'; template: string; host: string };

/** A tile server by the address of its tiles. */
export interface TileServer {
  origin: string;
  host: string;
}

/** Hosts that may be asked without TLS: they are this machine. */
const LOCAL = ['localhost', '127.0.0.1'];

/** The server of a template such as `https://tile.example.org/{z}/{x}/{y}.png`; undefined: it is none. */
export function serverOf(template: string): TileServer | undefined {
  if (!['{z}', '{x}', '{y}'].every((part) => template.includes(part))) return undefined;
  const filled = template.trim().replaceAll('{z}', '0').replaceAll('{x}', '0').replaceAll('{y}', '0');
  if (/[{}]/.test(filled) || !URL.canParse(filled)) return undefined;
  const { protocol, hostname, host, origin, username, password } = new URL(filled);
  const isReached = protocol === 'https:' || (protocol === 'http:' && LOCAL.includes(hostname));
  // What stands before the first slash of the template is the host itself, and no part of it is filled in.
  const isWhole = template.trim().split('/')[2]?.includes('{') === false;
  return isReached && isWhole && username === '' && password === '' ? { origin, host } : undefined;
}

/** The source that the owner prefers, whether or not it is there. */
export function preferred(about: About): 'outlines' | 'file' | 'server' {
  return settings.map ?? (about.map_file ? 'file' : 'outlines');
}

/** The server that the owner prefers and has not allowed since this browser was let in. */
export function waits(about: About): TileServer | undefined {
  const server = preferred(about) === 'server' ? serverOf(settings.tiles) : undefined;
  return server && server.origin !== about.tile_server ? server : undefined;
}

/** What is shown. */
export function baseOf(about: About): Base {
  const wanted = preferred(about);
  const server = wanted === 'server' ? serverOf(settings.tiles) : undefined;
  if (server && server.origin === about.tile_server) {
    return { kind: 'server', template: settings.tiles.trim(), host: server.host };
  }
  return wanted === 'file' && about.map_file ? { kind: 'file' } : { kind: 'outlines' };
}
