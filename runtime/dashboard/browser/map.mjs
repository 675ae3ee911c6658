// Looks at the map of a day as its owner does. Called by tests with one JSON argument:
//   { link, chromium, kind, pictures? }
// `kind`: `outlines`, `streets` or `pictures` (the runtime has a street map of such tiles), `server` (a tile server is allowed, which this script
// plays) or `plain` (a browser without WebGL); `pictures`: the folder for a picture. Prints one JSON line of what it found;
// the tests judge.

import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import { launch, nothingYet, SIZES, start } from './start.mjs';

const WAIT_MS = 30_000;
/** Colours of the light map. */
const COLOURS = { sea: [198, 219, 232], land: [243, 239, 230], road: [184, 80, 27], bike: [122, 79, 181], tile: [255, 0, 255] };
const NEAR = 4;

const asked = JSON.parse(process.argv[2]);
const found = nothingYet();
const browser = await launch(asked.chromium, ...(asked.kind === 'plain' ? ['--disable-3d-apis'] : []));
const { page, context, settled, to, audit } = await start(browser, asked.link, found);
const paths = [];
found.ranges = [];
context.on('request', (request) => {
  const { pathname } = new URL(request.url());
  paths.push(pathname);
  if (pathname === '/map.pmtiles') found.ranges.push(request.headers()['range'] ?? '');
});

/** How many points of the map have each colour. */
async function colours() {
  const { data } = PNG.sync.read(await page.locator('figure .frame').screenshot());
  const counts = Object.fromEntries(Object.keys(COLOURS).map((name) => [name, 0]));
  for (let at = 0; at < data.length; at += 4) {
    for (const [name, colour] of Object.entries(COLOURS)) {
      if (colour.every((part, index) => Math.abs(part - data[at + index]) <= NEAR)) counts[name] += 1;
    }
  }
  return counts;
}

/** Waits until it is so. */
async function until(what, check) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const seen = await check();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`${what}: ${JSON.stringify(found)}`);
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
  }
}

const button = (name) => page.getByRole('button', { name, exact: true });
const scale = () => page.locator('figure .frame text.scale').first().textContent();
const chosen = async () => (await page.locator('.trip.chosen strong').allTextContents()).join();

async function toDiary() {
  await to('diary');
  if (asked.kind === 'plain') await page.locator('figure path.track').first().waitFor();
  else await page.locator('figure .map.visible canvas').waitFor();
}

await page.goto(asked.link);
await settled();
found.first = { parts: paths.filter((path) => /StreetMap|maplibre|countries|pmtiles/.test(path)) };
await toDiary();
found.drawn = {
  plain: await page.locator('figure path.track').count(),
  canvas: await page.locator('figure canvas').count(),
  places: await page.locator('figure .frame circle.place').count(),
  degrees: await page.locator('figure .frame text.degrees').count(),
};

if (asked.kind === 'server') {
  // A tile server of somebody else, at an origin of its own.
  const tile = new PNG({ width: 256, height: 256 });
  for (let at = 0; at < tile.data.length; at += 4) tile.data.set([...COLOURS.tile, 255], at);
  const picture = PNG.sync.write(tile);
  found.tiles = 0;
  const server = createServer((request, response) => {
    found.tiles += 1;
    found.told = Object.keys(request.headers).filter((name) => ['referer', 'cookie', 'x-cellar-token'].includes(name));
    response.writeHead(200, { 'content-type': 'image/png', 'access-control-allow-origin': '*' }).end(picture);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  found.origin = `http://127.0.0.1:${server.address().port}`;
  await to('settings');
  await page.getByLabel('a tile server of somebody else').check();
  await page.getByLabel('Address of its tiles').fill(`${found.origin}/{z}/{x}/{y}.png`);
  const host = new URL(found.origin).host;
  found.warned = await page.getByText(`${host} will learn`).count();
  await audit('a tile server');
  found.before = found.elsewhere.length;
  await Promise.all([page.waitForEvent('load'), button(`Ask ${host} for maps`).click()]);
  await settled();
  await toDiary();
  await until('tiles are shown', async () => (await colours()).tile > 1000);
  found.from = await page.locator('figure .from').textContent();
  // And no more.
  await to('settings');
  await Promise.all([page.waitForEvent('load'), page.getByLabel('outlines of countries, which come with the page').check()]);
  await settled();
  const asks = found.tiles;
  await toDiary();
  await until('outlines are shown', async () => (await colours()).sea > 1000);
  found.after = found.tiles - asks;
  server.close();
} else {
  found.shown = asked.kind === 'plain' ? {} : await until('a map', async () => {
    const counts = await colours();
    // The invented people live where no real ones do: their outlines are the sea's.
    const ground = asked.kind === 'pictures' ? counts.tile : counts.sea;
    return ground > 1000 && counts.road > 50 ? counts : undefined;
  });
  found.from = asked.kind === 'plain' ? '' : await page.locator('figure .from').textContent();
  if (asked.pictures) {
    mkdirSync(asked.pictures, { recursive: true });
    await page.screenshot({ path: join(asked.pictures, `map-${asked.kind}.png`) });
  }

  // From the timeline to the map: what is chosen is shown whole.
  const all = await scale();
  const shortest = page.locator('.trip .open').nth(2);
  await shortest.click();
  await until('the map follows', async () => (await scale()) !== all);
  found.listed = await chosen();
  await audit('a chosen trip');
  await button('All trips').click();
  await until('the map goes back', async () => (await scale()) === all);

  // From the map to the timeline: a press on the track at a place.
  const circle = await page.locator('figure .frame circle.place').first().boundingBox();
  await page.mouse.click(circle.x + circle.width / 2, circle.y + circle.height / 2);
  await until('the timeline follows', async () => (await chosen()) !== '');
  found.pressed = await chosen();
  found.said = await page.locator('main > p.hidden[role=status]').textContent();
  await button('All trips').click();

  // By keyboard: trip after trip, and the map itself, which keeps its arrows.
  await button('Trip after').focus();
  await page.keyboard.press('Enter');
  found.byKeyboard = [await until('a trip', chosen)];
  await page.keyboard.press('Enter');
  await until('the next trip', async () => (await chosen()) !== found.byKeyboard[0]);
  found.byKeyboard.push(await chosen());
  await button('All trips').click();
  if (asked.kind !== 'plain') {
    const address = page.url();
    const degrees = () => page.locator('figure .frame line.grid-line').first().getAttribute('x1');
    const before = await until('it stands still', async () => {
      const one = await degrees();
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      return (await degrees()) === one ? one : undefined;
    });
    await page.locator('figure canvas').focus();
    await page.keyboard.press('ArrowRight');
    await until('the map moves', async () => (await degrees()) !== before);
    found.sameDay = page.url() === address;
  }
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await audit(`map, ${size}, ${colorScheme}`);
    }
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  if (asked.kind === 'outlines') {
    // Far enough away there is a coast.
    await until('a coast', async () => {
      await button('Farther').click();
      const counts = await colours();
      return counts.sea > 1000 && counts.land > 1000;
    });
    found.coast = true;
    if (asked.pictures) await page.screenshot({ path: join(asked.pictures, 'map-coast.png') });
  }
}
found.marks = await page.evaluate(() => globalThis.struck ?? 0);
await browser.close();
console.log(JSON.stringify(found));
process.exit(0);
