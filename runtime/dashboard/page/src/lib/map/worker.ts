// The worker of the map, from this page's own files. The page's policy takes no text for the address of a script; this one
// address is what the policy's `default` rule lets through, and it lets through nothing else.

import address from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';

/** The part of the standard that is used; browsers without it have no such rule. */
interface TrustedTypes {
  createPolicy: (name: string, rules: { createScriptURL: (text: string) => string }) => unknown;
}

export const workerAddress = new URL(address, location.href).href;

const trusted = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
trusted?.createPolicy('default', {
  createScriptURL: (text) => {
    if (text !== workerAddress) throw new TypeError('no script may be loaded from there');
    return text;
  },
});
