// The public half of a recovery phrase, as docs/handshake.md has it. The words stay in this page.

import { p256 } from '@noble/curves/nist.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';

const INFO = new TextEncoder().encode('upc/recovery/1');

/** What of a text is no phrase: the number of the words, a word by its place from 1, or how they fit. */
export type BadPhrase = { words: number } | { word: number } | 'check';

export const WORDS = 24;

/** The words of a text, in lower case. */
export function wordsOf(text: string): string[] {
  return text.trim().toLowerCase().split(/\s+/).filter((word) => word !== '');
}

/** The public half, in base64url, or what is wrong with the words. */
export function publicHalf(text: string): { phrase: string } | { bad: BadPhrase } {
  const words = wordsOf(text);
  if (words.length !== WORDS) return { bad: { words: words.length } };
  const unknown = words.findIndex((word) => !wordlist.includes(word));
  if (unknown >= 0) return { bad: { word: unknown + 1 } };
  let entropy: Uint8Array;
  try {
    entropy = mnemonicToEntropy(words.join(' '), wordlist);
  } catch {
    return { bad: 'check' };
  }
  for (let counter = 0; counter <= 255; counter += 1) {
    const candidate = hkdf(sha256, entropy, undefined, Uint8Array.from([...INFO, counter]), 32);
    if (!p256.utils.isValidSecretKey(candidate)) continue;
    const half = String.fromCharCode(...p256.getPublicKey(candidate, false));
    return { phrase: btoa(half).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '') };
  }
  return { bad: 'check' };
}
