// Opens the page as its owner does, and looks at every screen. Called by tests with one JSON argument:
//   { link, chromium, pictures?, label?, cell?, lock?, until? }
// `pictures`: the folder for pictures of the screens; `label`: the mode that the first trip is given; `cell`: pause,
// resume and revoke the first cell; `lock`: lock and open again; `until`: only say `ready` and wait for this text. Prints one JSON line of what it found; the tests judge.

import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const SCREENS = ['home', 'diary', 'figures', 'reads', 'cells', 'phones', 'data', 'settings'];
const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
/** What a reader sees who enlarges a small window to twice its size. */
const ENLARGED = { width: 320, height: 512 };
const WAIT_MS = 30_000;

const asked = JSON.parse(process.argv[2]);
const origin = new URL(asked.link).origin;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: asked.chromium,
  args: [
    '--no-sandbox',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-gpu',
  ],
});
const context = await browser.newContext({ viewport: SIZES.desktop, colorScheme: 'light', locale: 'en-GB', timezoneId: 'UTC' });
const page = await context.newPage();
page.setDefaultTimeout(WAIT_MS);

const found = { requests: 0, elsewhere: [], complaints: [], violations: [], wide: [], attacked: [], texts: {}, first: {} };
let firstBytes = 0;
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
const session = await context.newCDPSession(page);
await session.send('Network.enable');
session.on('Network.loadingFinished', ({ encodedDataLength }) => {
  firstBytes += encodedDataLength;
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
  await page.waitForFunction((name) => document.querySelector('nav [aria-current=page]')?.getAttribute('href') === `#/${name}`, screen);
  await settled();
}

async function audit(name) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  for (const { id, nodes } of result.violations) {
    found.violations.push(`${name}: ${id}: ${nodes.map((node) => node.target.join(' ')).slice(0, 3).join('; ')}`);
  }
}

const begun = Date.now();
await page.goto(asked.link);
await settled();
found.first = { bytes: firstBytes, ms: Date.now() - begun };
found.address = page.url();

if (asked.until) {
  // Whoever started this does something now, and the page has to say what became of it.
  console.log('ready');
  await page.getByText(asked.until).first().waitFor();
  found.said = true;
  await browser.close();
  console.log(JSON.stringify(found));
  process.exit(0);
}

// By keyboard alone: to the second part of the page, and into it.
await page.keyboard.press('Tab');
for (let presses = 0; presses < 12; presses += 1) {
  if ((await page.evaluate(() => document.activeElement?.getAttribute('href'))) === '#/diary') break;
  await page.keyboard.press('Tab');
}
await page.keyboard.press('Enter');
await page.waitForFunction(() => location.hash.startsWith('#/diary/'));
await settled();
found.byKeyboard = await page.evaluate(() => document.querySelector('main h1')?.textContent);
await page.evaluate(() => (document.activeElement instanceof HTMLElement ? document.activeElement.blur() : undefined));
const before = page.url();
await page.keyboard.press('ArrowLeft');
await page.waitForFunction((url) => location.href !== url, before);
await page.keyboard.press('ArrowRight');
await page.waitForFunction((url) => location.href === url, before);
await settled();

for (const [size, viewport] of Object.entries(SIZES)) {
  await page.setViewportSize(viewport);
  for (const screen of SCREENS) {
    await to(screen);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await audit(`${screen}, ${size}, ${colorScheme}`);
      const pictures = asked.pictures;
      if (pictures && ((size === 'desktop') === (colorScheme === 'light'))) {
        mkdirSync(pictures, { recursive: true });
        await page.screenshot({ path: join(pictures, `${screen}-${size}.png`), fullPage: size === 'phone' });
      }
    }
    found.texts[screen] = await page.evaluate(() => document.querySelector('main')?.innerText ?? '');
  }
}
await page.emulateMedia({ colorScheme: 'light' });
await page.setViewportSize(ENLARGED);
for (const screen of SCREENS) {
  await to(screen);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (wide > 0) found.wide.push(`${screen}: ${wide} px`);
}
await page.setViewportSize(SIZES.desktop);

if (asked.label) {
  await to('diary');
  const select = page.getByLabel(/^Mode/).first();
  await select.selectOption(asked.label);
  await page.getByText('Sent. The diary has it').first().waitFor();
  found.labelled = true;
}
if (asked.cell) {
  await to('cells');
  for (const [button, said] of [['Pause', 'Paused.'], ['Resume', 'Resumed.']]) {
    await page.getByRole('button', { name: button, exact: true }).first().click();
    await page.getByText(said).first().waitFor();
  }
  await page.getByRole('button', { name: 'Revoke', exact: true }).first().click();
  await page.locator('dialog[open]').getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByText('Revoked.').first().waitFor();
  found.revoked = true;
}
if (asked.lock) {
  await to('home');
  await page.getByRole('button', { name: 'Lock now' }).first().click();
  await page.locator('dialog[open]').getByRole('button', { name: 'Lock now' }).click();
  await page.getByRole('heading', { name: 'Your data is locked' }).waitFor();
  await audit('locked');
  await page.getByRole('button', { name: 'Open with this device' }).click();
  await page.getByRole('heading', { name: 'Your data is locked' }).waitFor({ state: 'detached' });
  found.locked = true;
}
await page.evaluate(() => new Promise((done) => setTimeout(done, 0)));
found.marks = await page.evaluate(() => globalThis.struck ?? 0);
await browser.close();
console.log(JSON.stringify(found));
