// The whole first run at a person's own name, from the first look to the last. Called by a test with one JSON argument:
//   { address, chromium, spki, code, words, day, package, update, wider, history, person, forget: { from, to }, pictures? }
// `spki`: the digest of the host's key, base64, which the browser takes for known; `code`: of a pairing window; `words`: the
// recovery words; `day`: the date of the day that the phone puts; `package`, `update`, `wider`: packages of a cell, of a
// version that asks for no more, and of one that asks for more, or null where none can be compiled; `history`: a file of
// another program. After each step it prints one JSON line of what the page shows, and waits for a line before it goes on;
// the test does meanwhile what a phone, a host and their owner do, and judges.

import { createInterface } from 'node:readline';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { authenticator, launch, nothingYet, readCode, start } from './start.mjs';

const asked = JSON.parse(process.argv[2]);
const found = nothingYet();
const browser = await launch(asked.chromium, `--ignore-certificate-errors-spki-list=${asked.spki}`);
const { context, page, settled, to, auditThemes, everyWay, everyScreen, confirm } = await start(browser, asked.address, found);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const key = await authenticator(context, page);
const words = asked.words.split(' ');
/** The longest piece of the recovery words that some request had. */
found.leaked = 0;
context.on('request', (request) => {
  const said = `${request.url()} ${request.postData() ?? ''}`.toLowerCase();
  for (let at = 0; at + 1 < words.length; at += 1) {
    if (said.includes(`${words[at]} ${words[at + 1]}`)) found.leaked += 1;
  }
});

/** Tells what the page shows after a step, and waits until the test has done its part. */
async function step(name, told = {}) {
  console.log(JSON.stringify({ step: name, ...told }));
  await lines.next();
}

const shown = (within = page.locator('main')) => within.innerText();
const region = (name) => page.getByRole('region', { name, exact: true });
const signatures = async () => {
  const { credentials } = await key.session.send('WebAuthn.getCredentials', { authenticatorId: key.authenticatorId });
  return credentials[0]?.signCount ?? 0;
};

/** A picture of a screen for the documentation. */
async function picture(name) {
  if (!asked.pictures) return;
  mkdirSync(asked.pictures, { recursive: true });
  await page.screenshot({ path: join(asked.pictures, `${name}.png`) });
}

// The page of a name, before anybody has signed in: the code of a window makes the first passkey.
await page.goto(asked.address);
await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor();
await everyWay('sign-in');
await page.getByLabel('Code').fill(asked.code);
await page.getByLabel('Name of the passkey').fill('my laptop');
await page.getByRole('button', { name: 'Use the code' }).click();
const digits = page.locator('.digits');
await digits.waitFor();
await step('code', { digits: await digits.innerText() });
await page.getByRole('heading', { name: 'Sign in', exact: true }).waitFor({ state: 'detached' });
await settled();
await to('diary');
await step('signed in', { diary: await shown() });

// A phone pairs by the code on the screen.
await to('phones');
await page.getByRole('button', { name: 'Show the code' }).click();
await page.getByRole('img', { name: /^The code for the app/ }).waitFor();
await everyWay('a code');
await step('pairing', { qr: await readCode(page), signatures: await signatures() });
const six = page.getByLabel('Six digits', { exact: true });
await six.waitFor();
await everyWay('digits');
await step('claimed', { digits: await six.textContent(), who: await shown() });
await page.getByRole('button', { name: 'They are the same: let it in' }).click();
await page.getByText('is paired.').waitFor();
await step('paired', { phones: await shown() });

// The phone has put a day, and the analysis has run: the diary appears.
await page.evaluate((date) => {
  location.hash = `#/diary/${date}`;
}, asked.day);
const mode = page.getByLabel(/^Mode/).first();
await page.getByText(/\b5 trips\b/).first().waitFor();
await mode.waitFor();
await auditThemes('a diary');
await step('diary', { diary: await shown(), mode: await mode.inputValue() });

// A correction is part of the diary after the next run, also in a page that was opened anew.
await mode.selectOption('train');
await page.getByText('Sent. The diary has it').first().waitFor();
await step('corrected');
await page.reload();
await settled();
await mode.waitFor();
await step('corrected diary', { mode: await mode.inputValue(), figures: await shown() });

// Every screen, as somebody sees it who may do everything.
await everyScreen('own name, ');

// Recovery words.
await to('data');
const phrase = region('Recovery words');
const check = async (typed, says) => {
  await phrase.getByLabel('The 24 words').fill(typed);
  await phrase.getByRole('button', { name: 'Check the words' }).click();
  await phrase.getByText(says).waitFor();
};
await check('one two three', 'There are 3 words');
await check([...words.slice(0, 23), 'cellar'].join(' '), 'Word 24 is none of the list');
const other = `${'zoo '.repeat(23)}vote`;
await check(other, 'They do not open your data');
await everyWay('recovery words');
await check(words.join(' ').toUpperCase(), 'These words open your data');
await step('words', { left: await phrase.getByLabel('The 24 words').inputValue() });

// A history from another program: looked at, then stored.
const history = region('Bring a history');
await history.getByLabel('File').setInputFiles(asked.history);
await history.getByRole('button', { name: 'Look what is in it' }).click();
await history.getByText('new places and').waitFor();
await everyWay('a look into a file');
await picture('import-desktop');
await step('looked', { history: await shown(history) });
await history.getByRole('button', { name: 'Store it' }).click();
await history.getByText('were stored').waitFor();
await step('imported', { history: await shown(history) });

// A cell is granted, read by its owner in the audit, updated and revoked.
if (asked.package) {
  await to('cells');
  const install = region('Install or update a cell');
  const look = async (file) => {
    await install.getByLabel('Package').setInputFiles(file);
    await install.getByRole('button', { name: 'Look what it asks for' }).click();
    await install.getByRole('button', { name: 'Cancel' }).first().waitFor();
    await everyWay('a package');
    return shown(install);
  };
  await step('offered', { install: await look(asked.package) });
  await confirm('Allow this and install it', install);
  await install.getByText('is installed.').waitFor();
  await step('granted', { cells: await shown() });
  await to('reads');
  await page.getByLabel('Kind').selectOption({ label: 'cell from elsewhere' });
  await page.locator('main li').filter({ hasText: /mode-share: \d+ entries/ }).first().waitFor();
  await auditThemes('reads of a cell');
  await step('read', { reads: await shown() });
  await to('cells');
  await step('update offered', { install: await look(asked.update) });
  await install.evaluate((element) => element.scrollIntoView());
  await picture('update-desktop');
  await confirm('Update it', install);
  await install.getByText('is updated.').waitFor();
  await step('wider offered', { install: await look(asked.wider) });
  await install.getByRole('button', { name: 'Cancel' }).click();
  await confirm('Revoke');
  await page.getByText('Revoked.').waitFor();
  await step('revoked', { cells: await shown() });
}

// What is one's own: taken away, forgotten in part, erased.
await to('data');
const download = page.waitForEvent('download');
await page.getByRole('button', { name: 'Save', exact: true }).click();
await step('exported', { diary: JSON.parse(readFileSync(await (await download).path(), 'utf8')) });
const forget = region('Forget some hours');
await forget.getByLabel('From').fill(asked.forget.from);
await forget.getByLabel('To').fill(asked.forget.to);
await forget.getByRole('button', { name: 'Look what would go' }).click();
await forget.getByText(/entries would be deleted/).waitFor();
const would = await shown(forget);
await confirm('Forget', forget);
const forgotten = page.getByText(/entries were deleted/).first();
await forgotten.waitFor();
await step('forgotten', { would, said: await forgotten.innerText() });
const erase = region('Delete everything');
await erase.getByLabel(/^To delete everything/).fill(asked.person);
const receipt = page.waitForEvent('download');
await confirm('Delete everything', erase);
await page.getByRole('heading', { name: 'Everything is deleted' }).waitFor();
await everyWay('a receipt');
await step('erased', { receipt: JSON.parse(readFileSync(await (await receipt).path(), 'utf8')) });
await browser.close();
console.log(JSON.stringify(found));
process.exit(0);
