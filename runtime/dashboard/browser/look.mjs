// Opens the page as its owner does, and looks at every screen. Called by tests with one JSON argument:
//   { link, chromium, pictures?, label?, cell?, lock?, until?, other? }
// `pictures`: the folder for pictures of the screens; `label`: the mode that the first trip is given; `cell`: pause,
// resume and revoke the first cell; `lock`: lock and open again; `until`: only say `ready` and wait for this text;
// `other`: do not wait, but revoke the first device from the page of this second link, and say how long it took. Prints one JSON line of what it found; the tests judge.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, nothingYet, start } from './start.mjs';

const asked = JSON.parse(process.argv[2]);
const found = nothingYet();
const browser = await launch(asked.chromium);
const { context, page, settled, to, audit, everyWay, everyScreen } = await start(browser, asked.link, found);
let firstBytes = 0;
const session = await context.newCDPSession(page);
await session.send('Network.enable');
session.on('Network.loadingFinished', ({ encodedDataLength }) => {
  firstBytes += encodedDataLength;
});

const begun = Date.now();
await page.goto(asked.link);
await settled();
found.first = { bytes: firstBytes, ms: Date.now() - begun };
found.address = page.url();

if (asked.until) {
  // Whoever started this does something now, or another page does, and this page has to say what became of it.
  const said = page.getByText(asked.until).first().waitFor();
  if (asked.other) {
    const other = await start(browser, asked.other, found);
    await other.page.goto(asked.other);
    await other.settled();
    await other.to('phones');
    await other.page.getByRole('button', { name: 'Revoke', exact: true }).first().click();
    const sure = other.page.locator('dialog[open]').getByRole('button', { name: 'Revoke', exact: true });
    const pressed = Date.now();
    await Promise.all([sure.click(), said]);
    found.ms = Date.now() - pressed;
  } else {
    console.log('ready');
    await said;
  }
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

await everyScreen('', async (screen, size, colorScheme) => {
  const pictures = asked.pictures;
  if (pictures && (size === 'desktop') === (colorScheme === 'light')) {
    mkdirSync(pictures, { recursive: true });
    await page.screenshot({ path: join(pictures, `${screen}-${size}.png`), fullPage: size === 'phone' });
  }
  found.texts[screen] = await page.evaluate(() => document.querySelector('main')?.innerText ?? '');
});

if (asked.label) {
  await to('diary');
  const select = page.getByLabel(/^Mode/).first();
  await select.selectOption(asked.label);
  await page.getByText('Sent. The diary has it').first().waitFor();
  found.labelled = true;
}
if (asked.place) {
  await to('diary');
  await page.getByRole('button', { name: /^Name place/ }).first().click();
  await page.getByLabel(/^Name of place/).fill(asked.place);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: /^Rename place/ }).first().waitFor();
  await audit('a named place');
  found.named = await page.evaluate(() => document.querySelector('main')?.innerText ?? '');
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
  await everyWay('locked');
  await page.getByRole('button', { name: 'Open with this device' }).click();
  await page.getByRole('heading', { name: 'Your data is locked' }).waitFor({ state: 'detached' });
  found.locked = true;
}
await page.evaluate(() => new Promise((done) => setTimeout(done, 0)));
found.marks = await page.evaluate(() => globalThis.struck ?? 0);
await browser.close();
console.log(JSON.stringify(found));
