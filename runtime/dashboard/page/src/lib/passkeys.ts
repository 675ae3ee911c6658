// Passkeys: signing in, a first passkey with a code, and fresh signatures for single calls.

import { ApiError, keepToken, post, postSigned } from './api';

interface Create {
  challenge: string;
  rp_id: string;
  user_id: string;
  user_name: string;
  exclude: string[];
}

interface Get {
  challenge: string;
  rp_id: string;
}

export interface Passkey {
  id: string;
  name: string;
  added_ms: number;
  used_ms: number;
  current: boolean;
}

export interface Session {
  id: string;
  browser: string;
  began_ms: number;
  current: boolean;
}

/** How often the page asks whether its owner has approved it, ms. */
const LOOK_MS = 2000;

function bytes(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0));
}

function text(buffer: ArrayBuffer): string {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** A browser that is told no, or whose owner cancels, gives a name of an error and no more. */
async function asked<T extends AuthenticatorResponse>(asking: Promise<Credential | null>): Promise<[PublicKeyCredential, T]> {
  const made = await asking.catch((error: unknown) => {
    const name = error instanceof DOMException ? error.name : '';
    throw new ApiError(name === 'InvalidStateError' ? 'passkey-known' : 'passkey-none', '');
  });
  if (!(made instanceof PublicKeyCredential)) throw new ApiError('passkey-none', '');
  return [made, made.response as T];
}

async function assertion(get: Get): Promise<string> {
  const publicKey = { challenge: bytes(get.challenge), rpId: get.rp_id, userVerification: 'required' as const };
  const [made, response] = await asked<AuthenticatorAssertionResponse>(navigator.credentials.get({ publicKey }));
  return JSON.stringify({
    id: text(made.rawId),
    client_data: text(response.clientDataJSON),
    authenticator_data: text(response.authenticatorData),
    signature: text(response.signature),
  });
}

async function registration(create: Create): Promise<unknown> {
  const publicKey: PublicKeyCredentialCreationOptions = {
    challenge: bytes(create.challenge),
    rp: { id: create.rp_id, name: 'Cellar' },
    user: { id: bytes(create.user_id), name: create.user_name, displayName: create.user_name },
    pubKeyCredParams: [
      { type: 'public-key', alg: -7 },
      { type: 'public-key', alg: -8 },
    ],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    attestation: 'none',
    excludeCredentials: create.exclude.map((id) => ({ type: 'public-key' as const, id: bytes(id) })),
  };
  const [, response] = await asked<AuthenticatorAttestationResponse>(navigator.credentials.create({ publicKey }));
  return {
    client_data: text(response.clientDataJSON),
    authenticator_data: text(response.getAuthenticatorData()),
  };
}

export async function signIn(): Promise<void> {
  const get = (await post('sign-in/begin', '{}')) as Get;
  keepToken(await post('sign-in', await assertion(get)));
}

export async function signOut(): Promise<void> {
  await post('sign-out', '{}');
  keepToken({});
}

/** Hands in the code of a pairing window; returns the digits that the console shows, too. */
export async function firstCode(code: string): Promise<string> {
  const claimed = (await post('first', JSON.stringify({ code }))) as { digits: string };
  return claimed.digits;
}

/** Waits for the owner's yes, then makes the first passkey, which lets this browser in. */
export async function firstPasskey(name: string): Promise<void> {
  for (;;) {
    const told = (await post('first/wait', '{}')) as { approved: boolean; create?: Create };
    if (told.create) {
      const made = await registration(told.create);
      keepToken(await post('first/add', JSON.stringify({ registration: made, name })));
      return;
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

/** A fresh signature for one call, for its header. */
export async function signature(path: string, body: string): Promise<string> {
  const get = (await post('step-up', JSON.stringify({ path: `/api/${path}`, body }))) as Get;
  return text(new TextEncoder().encode(await assertion(get)).buffer);
}

export async function passkeys(): Promise<Passkey[]> {
  return (await post('passkeys', '{}')) as Passkey[];
}

/** Adds another passkey; one that is there signs for it. */
export async function addPasskey(name: string): Promise<void> {
  const create = (await postSigned('passkeys/begin', '{}')) as Create;
  const made = await registration(create);
  await post('passkeys/add', JSON.stringify({ challenge: create.challenge, registration: made, name }));
}

export async function removePasskey(id: string): Promise<void> {
  await postSigned('passkeys/remove', JSON.stringify({ id }));
}

export async function sessions(): Promise<Session[]> {
  return (await post('sessions', '{}')) as Session[];
}

export async function endSession(id: string): Promise<void> {
  await post('sessions/end', JSON.stringify({ id }));
}
