// Opens the page as its owner does and measures what they wait for. Called with one JSON argument: { link, chromium }.
// Prints one JSON line: the bytes and the milliseconds to the first view, the milliseconds to a day's tracks, and the bytes
// and the milliseconds to the map under them, where the browser has one.

import { launch, nothingYet, start } from './start.mjs';

const asked = JSON.parse(process.argv[2]);
const browser = await launch(asked.chromium);
const { context, page, settled, tracks, mapped } = await start(browser, asked.link, nothingYet());
let bytes = 0;
const session = await context.newCDPSession(page);
await session.send('Network.enable');
session.on('Network.loadingFinished', ({ encodedDataLength }) => {
  bytes += encodedDataLength;
});
const begun = performance.now();
await page.goto(asked.link);
await settled();
const first = { bytes, ms: performance.now() - begun };
const pressed = performance.now();
await page.evaluate(() => {
  location.hash = '#/diary';
});
await tracks.first().waitFor();
const day_ms = performance.now() - pressed;
await mapped();
const map = { bytes: bytes - first.bytes, ms: performance.now() - pressed };
await browser.close();
console.log(JSON.stringify({ bytes: first.bytes, first_ms: first.ms, day_ms, map_bytes: map.bytes, map_ms: map.ms }));
