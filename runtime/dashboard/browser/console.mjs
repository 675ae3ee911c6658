// Does at the console's page what its owner does there. Called by tests with one JSON argument:
//   { link, chromium, operator?, pair?, track?, forget?: { from, to }, heat?: { from, to }, erase? }
// `operator`: the link is of the operator's page, which is looked at; `pair`: shows the code, prints `{"qr"}` as it is read from the picture of the screen, then `{"digits"}` of the phone that
// came, and lets it in once a line comes in; `track`: the name of a tracker that is added, reports by the setting that is
// read from the picture of the screen, and is revoked; `erase`: whose everything is deleted at the end. Prints one JSON line of
// what it found; the tests judge.

import { request } from 'node:https';
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { launch, nothingYet, readCode, start } from './start.mjs';

const asked = JSON.parse(process.argv[2]);
const found = nothingYet();
const browser = await launch(asked.chromium);
const { page, settled, to, audit, everyWay, confirm } = await start(browser, asked.link, found);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (what) => console.log(JSON.stringify(what));

/** Reports a point as Overland does; the certificate is the host's own. */
function report(url) {
  const point = {
    type: 'Feature',
    geometry: { type: 'Point', coordinates: [6.6, 46.5] },
    properties: { timestamp: '2024-03-05T08:00:00Z', speed: 0, horizontal_accuracy: 8, motion: ['stationary'] },
  };
  return new Promise((done, failed) => {
    const options = { method: 'POST', rejectUnauthorized: false, headers: { 'content-type': 'application/json' } };
    const sent = request(url, options, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece));
      answer.on('end', () => done({ status: answer.statusCode, body: Buffer.concat(pieces).toString() }));
    });
    sent.on('error', failed);
    sent.end(JSON.stringify({ locations: [point] }));
  });
}

await page.goto(asked.link);
await settled();

if (asked.operator) {
  // The operator's page has one screen.
  await everyWay('operator');
  found.operator = await page.locator('body').innerText();
  for (const screen of ['diary', 'reads', 'data']) {
    await page.evaluate((hash) => {
      location.hash = hash;
    }, `#/${screen}`);
    found[screen] = await page.locator('main').innerText();
  }
}
if (asked.pair) {
  await to('phones');
  await page.getByRole('button', { name: 'Show the code' }).click();
  await page.getByRole('img', { name: /^The code for the app/ }).waitFor();
  const qr = await readCode(page);
  await page.getByText('The code as text').click();
  const text = await page.locator('details[open] code').first().textContent();
  found.same = qr === text;
  found.left = await page.getByRole('timer').textContent();
  await audit('a code');
  say({ qr });
  const digits = page.getByLabel('Six digits', { exact: true });
  await digits.waitFor();
  await audit('digits');
  say({ digits: await digits.textContent() });
  await lines.next();
  await page.getByRole('button', { name: 'They are the same: let it in' }).click();
  await page.getByText('is paired.').waitFor();
  found.paired = await page.locator('main').innerText();
  const card = page.getByRole('article').last();
  await card.getByLabel('New name').fill('from the page');
  await card.getByRole('button', { name: 'Rename' }).click();
  await page.getByText('Renamed.').waitFor();
}
if (asked.track) {
  await to('phones');
  const section = page.getByRole('region', { name: 'Trackers from the shops' });
  const code = section.getByRole('img', { name: /^The code for the app/ });
  async function add(app) {
    await section.getByLabel(/^App/).selectOption(app);
    await section.getByLabel('Name of the device').fill(asked.track);
    await section.getByRole('button', { name: 'Add a tracker' }).click();
    await code.waitFor();
    await section.getByText('Waiting for the first point …').first().waitFor();
    const scanned = await readCode(page);
    await section.getByText('The link as text').click();
    const text = await section.locator('details[open] code').first().textContent();
    return { text, scanned };
  }
  await audit('trackers');
  found.gpslogger = await add('gpslogger');
  const download = page.waitForEvent('download');
  await section.getByRole('button', { name: 'Save the settings as a file' }).click();
  found.settings = readFileSync(await (await download).path(), 'utf8');
  await section.getByRole('button', { name: 'Done' }).click();
  found.overland = await add('overland');
  await audit('a tracker');
  const url = new URL(found.overland.scanned).searchParams.get('url');
  found.answer = await report(url);
  await section.getByText(/^First point at/).waitFor();
  found.tracked = await section.innerText();
  await confirm('Revoke', section);
  await section.getByText('Revoked.').waitFor();
  found.refused = await report(url);
}
if (asked.heat) {
  await to('diary');
  const section = page.getByRole('region', { name: 'Where you have been' });
  await section.getByLabel('From').fill(asked.heat.from);
  await section.getByLabel('To').fill(asked.heat.to);
  await section.getByRole('button', { name: 'Count' }).click();
  await section.getByText(/locations in/).waitFor();
  found.heat = await section.innerText();
  found.calendar = await page.locator('td a.has').count();
  await audit('a heat map');
  await section.getByRole('button', { name: 'Closer to the most visited cell' }).click();
  await section.getByRole('button', { name: 'Show all of it' }).waitFor();
  await to('figures');
  await page.getByRole('button', { name: 'Compare', exact: true }).click();
  await page.getByRole('columnheader', { name: 'Change' }).waitFor();
  found.compared = await page.getByRole('region', { name: 'Compare two spans' }).innerText();
  await audit('two spans');
}
if (asked.forget) {
  await to('data');
  const section = page.getByRole('region', { name: 'Forget some hours' });
  await section.getByLabel('From').fill(asked.forget.from);
  await section.getByLabel('To').fill(asked.forget.to);
  await section.getByRole('button', { name: 'Look what would go' }).click();
  await section.getByText(/entries would be deleted/).waitFor();
  found.would = await section.innerText();
  await audit('what would go');
  await confirm('Forget', section);
  await page.getByText(/entries were deleted/).waitFor();
  found.forgotten = await page.getByText(/entries were deleted/).first().innerText();
}
if (asked.erase) {
  await to('data');
  const section = page.getByRole('region', { name: 'Delete everything' });
  const typed = section.getByLabel(/^To delete everything/);
  await typed.fill(`not ${asked.erase}`);
  found.offered = await section.getByRole('button', { name: 'Delete everything' }).count();
  await typed.fill(asked.erase);
  const download = page.waitForEvent('download');
  await confirm('Delete everything', section);
  await page.getByRole('heading', { name: 'Everything is deleted' }).waitFor();
  found.receipt = JSON.parse(readFileSync(await (await download).path(), 'utf8'));
  await audit('a receipt');
}
found.marks = await page.evaluate(() => globalThis.struck ?? 0);
await browser.close();
say(found);
process.exit(0);
