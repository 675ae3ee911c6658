// Opens the page at a person's own name, as its owner does in any browser, with the browser's virtual authenticator. Called
// by tests with one JSON argument:
//   { address, chromium, spki, code, name }
// `spki`: the digest of the host's key, base64, which the browser takes for known; `code`: the code of a pairing window;
// `name`: of the first passkey. Prints `digits NNNNNN` once the code was taken, waits until its owner approves, and prints
// one JSON line of what it found; the tests judge.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { authenticator, launch } from './start.mjs';

const WAIT_MS = 30_000;
const asked = JSON.parse(process.argv[2]);
const origin = new URL(asked.address).origin;
const browser = await launch(asked.chromium, `--ignore-certificate-errors-spki-list=${asked.spki}`);
const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC' });
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const found = { elsewhere: [], complaints: [], attacked: [], violations: [], parts: [] };
context.on('request', (request) => {
  if (new URL(request.url()).origin !== origin) found.elsewhere.push(request.url());
});

context.on('response', (response) => {
  if (new URL(response.url()).pathname === '/map.pmtiles') found.parts.push(response.status());
});

async function open() {
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
      found.complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => found.complaints.push(String(error)));
  page.on('dialog', (dialog) => {
    found.attacked.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(asked.address);
  return page;
}

async function audit(page, name) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.evaluate(axe);
    const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    for (const { id, nodes } of result.violations) {
      found.violations.push(`${name}, ${colorScheme}: ${id}: ${nodes[0].target.join(' ')}`);
    }
  }
}

async function to(page, screen) {
  await page.evaluate((hash) => {
    location.hash = hash;
  }, `#/${screen}`);
  await page.waitForFunction((name) => document.querySelector('nav [aria-current=page]')?.getAttribute('href') === `#/${name}`, screen);
}

const signInTitle = { name: 'Sign in', exact: true };

// The first passkey.
const page = await open();
const first = await authenticator(context, page);
await page.getByRole('heading', signInTitle).waitFor();
await audit(page, 'sign-in');
await page.getByLabel('Code').fill(asked.code);
await page.getByLabel('Name of the passkey').fill(asked.name);
await page.getByRole('button', { name: 'Use the code' }).click();
const digits = await page.locator('.digits').innerText();
console.log(`digits ${digits}`);
await page.getByRole('heading', signInTitle).waitFor({ state: 'detached' });
await page.getByText('What was read since you last looked').first().waitFor();
found.home = true;

await to(page, 'diary');
await page.getByText(/\d+ trips/).first().waitFor();
await page.locator('figure .map.visible canvas').waitFor();
found.map = await page.locator('figure .from').textContent();
found.diary = await page.evaluate(() => document.querySelector('main')?.innerText ?? '');

// What takes away asks for the passkey once more.
await to(page, 'phones');
await page.getByLabel('New name').first().fill('renamed in the browser');
await page.getByRole('button', { name: 'Rename' }).first().click();
await page.getByText('Renamed.').waitFor();
await page.getByRole('heading', { name: 'renamed in the browser' }).waitFor();
found.renamed = true;
const { credentials } = await first.session.send('WebAuthn.getCredentials', { authenticatorId: first.authenticatorId });
found.signatures = credentials[0].signCount;

// Nobody who does not verify the owner signs for another call.
await first.session.send('WebAuthn.setUserVerified', { authenticatorId: first.authenticatorId, isUserVerified: false });
await page.getByLabel('New name').first().fill('never');
await page.getByRole('button', { name: 'Rename' }).first().click();
await page.getByText('No passkey signed').waitFor();
await first.session.send('WebAuthn.setUserVerified', { authenticatorId: first.authenticatorId, isUserVerified: true });

// Passkeys and sessions, with the name of the passkey as text.
await to(page, 'settings');
await page.getByText(asked.name).first().waitFor();
await audit(page, 'settings');
found.settings = await page.evaluate(() => document.querySelector('main')?.innerText ?? '');
await page.getByRole('button', { name: 'Sign out' }).click();
await page.getByRole('heading', signInTitle).waitFor();
await page.getByRole('button', { name: 'Sign in with a passkey' }).click();
await page.getByRole('heading', signInTitle).waitFor({ state: 'detached' });
found.again = true;

// Another page, with the same passkey: its session ends the first one.
const other = await open();
const second = await authenticator(context, other);
const [copied] = (await first.session.send('WebAuthn.getCredentials', { authenticatorId: first.authenticatorId })).credentials;
await second.session.send('WebAuthn.addCredential', {
  authenticatorId: second.authenticatorId,
  credential: { ...copied, signCount: copied.signCount + 10 },
});
await other.getByRole('button', { name: 'Sign in with a passkey' }).click();
await other.getByRole('heading', signInTitle).waitFor({ state: 'detached' });
await to(other, 'settings');
await other.getByRole('button', { name: 'End', exact: true }).first().click();
await other.getByText('Ended.').waitFor();
await page.bringToFront();
await page.getByRole('heading', signInTitle).waitFor();
found.ended = true;

found.marks = await page.evaluate(() => globalThis.struck ?? 0);
await browser.close();
console.log(JSON.stringify(found));
