// Opens the link that the demonstration has printed, as whoever tries it does. Called by a test with one JSON argument:
// { link, chromium }. Prints one JSON line: what the diary shows, and how many tracks or maps with tracks it has.

import { launch, nothingYet, start } from './start.mjs';

const asked = JSON.parse(process.argv[2]);
const found = nothingYet();
const browser = await launch(asked.chromium);
const { page, settled, tracks, mapped, auditThemes } = await start(browser, asked.link, found);
await page.goto(asked.link);
await settled();
await page.getByRole('link', { name: 'Diary', exact: true }).click();
await tracks.first().waitFor();
await mapped();
await page.getByText(/\b\d+ trips\b/).first().waitFor();
await auditThemes('the demonstration');
found.texts.diary = await page.locator('main').innerText();
found.tracks = await tracks.count();
await browser.close();
console.log(JSON.stringify(found));
