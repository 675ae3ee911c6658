// A browser with the page of a link in it, and what it is watched for: requests to other servers, complaints, dialogs,
// violations of accessibility.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import jsQR from 'jsqr';
import { chromium } from 'playwright-core';
import { PNG } from 'pngjs';

export const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
export const SCREENS = ['home', 'diary', 'figures', 'reads', 'cells', 'phones', 'data', 'settings'];
/** What a reader sees who enlarges a small window to twice its size. */
const ENLARGED = { width: 320, height: 512 };
const WAIT_MS = 30_000;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Starts that Chromium, with further arguments. */
export function launch(executablePath, ...more) {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-gpu',
      '--enable-unsafe-swiftshader',
      ...more,
    ],
  });
}

/** The browser's virtual authenticator, which has verified its owner. */
export async function authenticator(context, page) {
  const session = await context.newCDPSession(page);
  await session.send('WebAuthn.enable');
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options });
  return { session, authenticatorId };
}

/** What the code in a picture of the whole page says. */
export async function readCode(page) {
  const picture = PNG.sync.read(await page.screenshot({ fullPage: true }));
  return jsQR(new Uint8ClampedArray(picture.data), picture.width, picture.height)?.data ?? null;
}

/** A new page in a context of its own; nothing is opened in it yet. `found` collects what is wrong. */
export async function start(browser, link, found) {
  const origin = new URL(link).origin;
  const context = await browser.newContext({
    viewport: SIZES.desktop,
    colorScheme: 'light',
    locale: 'en-GB',
    timezoneId: 'UTC',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  context.on('request', (request) => {
    found.requests += 1;
    if (new URL(request.url()).origin !== origin) found.elsewhere.push(request.url());
  });
  page.on('console', (message) => {
    // A refused call is logged by the browser itself; what the page makes of it is looked at.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      found.complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => found.complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    found.attacked.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });

  async function settled() {
    await page.waitForFunction(() => {
      const main = document.querySelector('main');
      return main !== null && main.querySelector('section, article, table') !== null && !/Loading …/.test(main.textContent ?? '');
    });
  }

  async function to(screen) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, `#/${screen}`);
    await page.waitForFunction(
      (name) => document.querySelector('nav [aria-current=page]')?.getAttribute('href') === `#/${name}`,
      screen,
    );
    await settled();
  }

  /** The tracks of a day: lines until the map has come, which draws them itself. */
  const tracks = page.locator('figure svg path.track, figure .map.visible canvas');

  /** Waits until the map of the day has come, in browsers that have one. */
  async function mapped() {
    const hasMap = await page.evaluate(() => document.createElement('canvas').getContext('webgl2') !== null);
    if (hasMap) await page.locator('figure .map.visible canvas').waitFor();
  }

  async function audit(name) {
    await page.evaluate(axe);
    const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    for (const { id, nodes } of result.violations) {
      found.violations.push(`${name}: ${id}: ${nodes.map((node) => node.target.join(' ')).slice(0, 3).join('; ')}`);
    }
  }

  /** Every screen at each width in both themes, and none wider than an enlarged window; `each` looks at each, too. */
  async function everyScreen(name, each = async () => undefined) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      for (const screen of SCREENS) {
        await to(screen);
        if (screen === 'diary') await mapped();
        for (const colorScheme of ['light', 'dark']) {
          await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
          await audit(`${name}${screen}, ${size}, ${colorScheme}`);
          await each(screen, size, colorScheme);
        }
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(ENLARGED);
    for (const screen of SCREENS) {
      await to(screen);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) found.wide.push(`${name}${screen}: ${wide} px`);
    }
    await page.setViewportSize(SIZES.desktop);
  }

  /** What is shown now, at each width in both themes. */
  async function everyWay(name) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      await page.setViewportSize(viewport);
      await auditThemes(`${name}, ${size}`);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(SIZES.desktop);
  }

  /** The same in both themes. */
  async function auditThemes(name) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await audit(`${name}, ${colorScheme}`);
    }
  }

  /** Presses the button of that name, and the same in the dialog that asks. */
  async function confirm(name, within = page) {
    await within.getByRole('button', { name, exact: true }).first().click();
    await page.locator('dialog[open]').getByRole('button', { name, exact: true }).click();
  }

  return { context, page, settled, to, tracks, mapped, audit, auditThemes, everyWay, everyScreen, confirm };
}

/** What is found on the way. */
export function nothingYet() {
  return { requests: 0, elsewhere: [], complaints: [], violations: [], wide: [], attacked: [], texts: {}, first: {} };
}
