// Calls of the page. Each needs the token that the page was given once; the browser adds its cookie.

import { signature } from './passkeys';
import type { About } from './types';

const TOKEN = 'cellar-token';

export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly remedy = '',
  ) {
    super(message);
  }
}

/** Whether the page is at the person's own name, where a passkey lets a browser in. */
export const atOwnName = location.protocol === 'https:';

export async function post(path: string, body: string, more: Record<string, string> = {}): Promise<unknown> {
  let answer: Response;
  try {
    answer = await fetch(`/api/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-cellar-token': sessionStorage.getItem(TOKEN) ?? '',
        ...more,
      },
      body,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
    });
  } catch {
    throw new ApiError(atOwnName ? 'unreachable' : 'gone', '');
  }
  if (answer.ok) return answer.json().catch(() => null);
  throw await refusal(answer);
}

/** What the answer to a call says that was refused. */
async function refusal(answer: Response): Promise<ApiError> {
  const read: unknown = await answer.json().catch(() => null);
  const error = member(read, 'error');
  // The runtime itself answers with a code alone.
  if (typeof error === 'string') return new ApiError(error, error);
  return new ApiError(String(member(error, 'code') ?? answer.status), String(member(error, 'message') ?? ''));
}

/** A part of the runtime's street map, and the tag of the file that it is of. */
export async function getPart(
  offset: number,
  length: number,
  signal?: AbortSignal,
): Promise<{ bytes: ArrayBuffer; tag: string | undefined }> {
  const answer = await fetch('/map.pmtiles', {
    headers: { range: `bytes=${offset}-${offset + length - 1}`, 'x-cellar-token': sessionStorage.getItem(TOKEN) ?? '' },
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    signal: signal ?? null,
  });
  if (answer.status !== 206) throw await refusal(answer);
  return { bytes: await answer.arrayBuffer(), tag: answer.headers.get('etag') ?? undefined };
}

/** Lets this page ask a tile server from its next load on; null: nobody else any more. */
export async function allowTiles(origin: string | null): Promise<void> {
  await postSigned('tile-server', JSON.stringify({ origin }));
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** Hands in the code of the link, if there is one, and removes it from the address. */
export async function enter(): Promise<void> {
  const code = /^#enter=([\w-]+)$/.exec(location.hash)?.[1];
  if (code === undefined) return;
  history.replaceState(null, '', '#/home');
  const entered = await post('enter', JSON.stringify({ code }));
  keepToken(entered);
}

/** Keeps the token of an answer that lets this page in. */
export function keepToken(answer: unknown): void {
  sessionStorage.setItem(TOKEN, String(member(answer, 'token') ?? ''));
}

export function about(): Promise<About> {
  return post('about', '{}') as Promise<About>;
}

export async function open(): Promise<void> {
  await post('open', '{}');
}

/** Posts, and once more with a fresh signature of a passkey for this very call if it needs one. */
export async function postSigned(path: string, body: string): Promise<unknown> {
  try {
    return await post(path, body);
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'step-up')) throw error;
    return await post(path, body, { 'x-cellar-assertion': await signature(path, body) });
  }
}

/** Gives a command of docs/api.md. */
export async function ask<T>(command: string, members: Record<string, unknown> = {}): Promise<T> {
  return outcome(await postSigned('ask', JSON.stringify({ command, ...members })));
}

/** How long the runtime waits for a change before it answers, ms. */
const WATCH_MS = 25_000;

/** Waits until something has changed since that mark; without a mark, says at once what the mark is. */
export async function watch(since: string | null): Promise<string> {
  const answer = await post('watch', JSON.stringify({ command: 'watch', since, wait_ms: WATCH_MS }));
  return outcome<{ mark: string }>(answer).mark;
}

function outcome<T>(answer: unknown): T {
  const failure = member(answer, 'Err');
  if (failure !== undefined) {
    throw new ApiError('failed', String(member(failure, 'what') ?? ''), String(member(failure, 'remedy') ?? ''));
  }
  return member(answer, 'Ok') as T;
}

/** Puts entries, as a phone does. */
export async function put(entries: unknown[]): Promise<void> {
  await post('put', JSON.stringify({ phone_to_server: entries }));
}
