// Votes that hold up: by device and by wallet, blind, too late, closed, saved as a file, and re-counted in the browser
// and on the command line, where one changed byte is named.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { accessible, shot } from '../lib/access.mjs';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { kept, write } from '../lib/room-keys.mjs';
import { SERVER, startStack } from '../stack.mjs';

const CAPTION = 'Nodule 5521';

/** The command: its exit status and what it says. */
const verify = (...args) => new Promise((resolve) => {
  execFile(SERVER, ['verify', ...args], (error, stdout, stderr) => resolve({ status: error?.code ?? 0, stdout, stderr }));
});

const poll = (me, question) => me.page.getByTestId('poll').filter({ hasText: question });
const option = (me, question, text) => poll(me, question).getByTestId('poll-option').filter({ hasText: text });

async function ask(me, question, options, { wallet = false, reveal } = {}) {
  await me.page.getByTestId('poll-ask').first().click();
  await me.page.getByTestId('poll-question').last().fill(question);
  for (const [i, text] of options.entries()) await me.page.getByTestId('poll-option-input').nth(i).fill(text);
  if (wallet) await me.page.getByTestId('poll-wallet-signed').check();
  if (reveal) await me.page.getByTestId('poll-reveal').selectOption(reveal);
  await me.page.getByTestId('poll-publish').click();
  await poll(me, question).waitFor();
}

async function cast(me, question, text) {
  await option(me, question, text).click();
  await poll(me, question).getByTestId('cast-vote').click();
}

const votedIn = (me, question, text) => option(me, question, text).getByTestId('my-vote').waitFor();
const closed = (me, question) => poll(me, question).filter({ hasText: /closed/i }).waitFor();

async function saveResult(me, question, folder) {
  const [download] = await Promise.all([
    me.page.waitForEvent('download'),
    poll(me, question).getByTestId('poll-result-file').click(),
  ]);
  assert.match(download.suggestedFilename(), /^healthsync-result-[0-9a-f]{12}\.json$/);
  const saved = path.join(folder, download.suggestedFilename());
  await download.saveAs(saved);
  return saved;
}

describe('votes that hold up when somebody checks', { timeout: 300_000 }, () => {
  let stack, browser, ada, ben, room, folder, formal, informal;

  before(async () => {
    stack = await startStack();
    folder = await mkdtemp(path.join(tmpdir(), 'healthsync-results-'));
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack, { direct: false })]);
    await p.connect(ada);
    await p.connect(ben);
    room = await p.createRoom(ada, 'Votes 5521');
    await p.addMember(ada, ben.address);
    await p.share(ada, CAPTION, [file('ct.png', png({ seed: 5 }))]);
    await p.enterRoom(ben, room);
    await ben.page.getByTestId('case-locked').first().waitFor();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('lets the wallet sign each vote where the asker wants it, and shows it waiting', async () => {
    await ask(ada, 'Formal reading 5521?', ['Benign', 'Malignant'], { wallet: true });
    await poll(ben, 'Formal reading 5521?').waitFor();
    ben.wallet.autoApprove = false;
    const before = ben.wallet.log.filter((m) => m === 'eth_signTypedData_v4').length;
    await cast(ben, 'Formal reading 5521?', 'Malignant');
    const { params } = await ben.wallet.pending('eth_signTypedData_v4');
    const shown = JSON.parse(params[1]);
    assert.equal(shown.primaryType, 'Vote');
    assert.equal(shown.message.question, 'Formal reading 5521?');
    assert.equal(shown.message.answer, 'Malignant');
    await poll(ben, 'Formal reading 5521?').getByText('Waiting for the wallet').first().waitFor();
    await shot(ben.page, 'vote-waiting-1440');
    await ben.wallet.reject('eth_signTypedData_v4');
    await poll(ben, 'Formal reading 5521?').getByTestId('error').filter({ hasText: /declined/i }).waitFor();
    assert.equal(await option(ben, 'Formal reading 5521?', 'Malignant').getByTestId('my-vote').count(), 0);
    ben.wallet.autoApprove = true;
    await poll(ben, 'Formal reading 5521?').getByTestId('cast-vote').click();
    await votedIn(ben, 'Formal reading 5521?', 'Malignant');
    assert.equal(ben.wallet.log.filter((m) => m === 'eth_signTypedData_v4').length, before + 2);
    await option(ada, 'Formal reading 5521?', 'Malignant').getByTestId('vote-count').filter({ hasText: /^\s*1\s*$/ }).waitFor();
    await cast(ada, 'Formal reading 5521?', 'Malignant');
    await votedIn(ada, 'Formal reading 5521?', 'Malignant');
  });

  it('hides the counts of a blind question until the own vote, and until the close', async () => {
    await ask(ada, 'Sealed 5521?', ['One', 'Two'], { reveal: 'closed' });
    await ask(ada, 'Half blind 5521?', ['Left', 'Right'], { reveal: 'voted' });
    await cast(ada, 'Sealed 5521?', 'One');
    await votedIn(ada, 'Sealed 5521?', 'One');
    await cast(ada, 'Half blind 5521?', 'Left');
    await votedIn(ada, 'Half blind 5521?', 'Left');
    await poll(ben, 'Sealed 5521?').getByText('1 of 2 have voted').waitFor();
    await poll(ben, 'Half blind 5521?').getByText('1 of 2 have voted').waitFor();
    for (const question of ['Sealed 5521?', 'Half blind 5521?']) assert.equal(await poll(ben, question).getByTestId('vote-count').count(), 0);
    assert.equal(await poll(ada, 'Sealed 5521?').getByTestId('vote-count').count(), 0);
    await cast(ben, 'Half blind 5521?', 'Left');
    await option(ben, 'Half blind 5521?', 'Left').getByTestId('vote-count').filter({ hasText: /^\s*2\s*$/ }).waitFor();
    await poll(ada, 'Sealed 5521?').getByTestId('poll-close').click();
    await closed(ben, 'Sealed 5521?');
    await option(ben, 'Sealed 5521?', 'One').getByTestId('vote-count').filter({ hasText: /^\s*1\s*$/ }).waitFor();
  });

  it('does not count a vote that arrives after the close, and says so to both', async () => {
    await ask(ada, 'Too late 5521?', ['Biopsy', 'PET-CT']);
    await cast(ada, 'Too late 5521?', 'Biopsy');
    await votedIn(ada, 'Too late 5521?', 'Biopsy');
    await poll(ben, 'Too late 5521?').getByText('1 of 2 have voted').waitFor();
    await ben.context.setOffline(true);
    await ben.page.locator('[data-testid=network-status][data-state=offline]').waitFor();
    await cast(ben, 'Too late 5521?', 'PET-CT');
    await poll(ben, 'Too late 5521?').getByText('Signed, not sent yet').waitFor();
    await poll(ada, 'Too late 5521?').getByTestId('poll-close').click();
    await closed(ada, 'Too late 5521?');
    await ben.context.setOffline(false);
    await poll(ben, 'Too late 5521?').getByTestId('late-vote').filter({ hasText: /not counted/i }).waitFor();
    await poll(ada, 'Too late 5521?').getByTestId('late-votes').waitFor();
    await option(ben, 'Too late 5521?', 'Biopsy').getByTestId('vote-count').filter({ hasText: /^\s*1\s*$/ }).waitFor();
    informal = await saveResult(ada, 'Too late 5521?', folder);
  });

  it('says what the relay refused, shown or not, and sends it again', async () => {
    await ask(ada, 'Refused 5521?', ['Biopsy', 'PET-CT']);
    await poll(ben, 'Refused 5521?').waitFor();
    await ben.context.setOffline(true);
    await ben.page.locator('[data-testid=network-status][data-state=offline]').waitFor();
    await cast(ben, 'Refused 5521?', 'PET-CT');
    await votedIn(ben, 'Refused 5521?', 'PET-CT');
    await poll(ben, 'Refused 5521?').getByTestId('poll-add-option').click();
    await ben.page.getByLabel('New option').fill('Watch and wait');
    await ben.page.keyboard.press('Enter');
    await option(ben, 'Refused 5521?', 'Watch and wait').waitFor();
    // The relay takes what this page sends; what it would not is marked in the outbox.
    const waiting = await kept(ben, 'outbox', `${room.split('/').pop()}/`);
    assert.equal(waiting.length, 2);
    for (const [key] of waiting) await write(ben, 'outbox', key, JSON.stringify({ refused: 'a reason 5521' }));
    await ben.page.goto('about:blank');
    await ben.context.setOffline(false);
    await p.open(ben, room);
    const refused = (text) => ben.page.getByTestId('refused').filter({ hasText: text }).waitFor();
    await refused(/2 things were refused and are kept in this browser\..*a reason 5521/);
    await poll(ben, 'Refused 5521?').getByText('Refused', { exact: true }).waitFor();
    await accessible(ben.page);
    assert.equal(await ben.page.getByText('go out by themselves').count(), 0);
    // The poll's own button sends the vote, and only that.
    await poll(ben, 'Refused 5521?').getByRole('button', { name: 'Send again' }).click();
    await option(ada, 'Refused 5521?', 'PET-CT').getByTestId('vote-count').filter({ hasText: /^\s*1\s*$/ }).waitFor();
    await refused('1 thing was refused and is kept in this browser.');
    assert.equal(await option(ada, 'Refused 5521?', 'Watch and wait').count(), 0);
    await ben.page.getByTestId('refused').getByRole('button', { name: 'Send again' }).click();
    await option(ada, 'Refused 5521?', 'Watch and wait').waitFor();
    await ben.page.getByTestId('refused').waitFor({ state: 'detached' });
  });

  it('saves the result of a closed question, with nothing else of the room in it', async () => {
    await poll(ada, 'Formal reading 5521?').getByTestId('poll-close').click();
    await closed(ben, 'Formal reading 5521?');
    formal = await saveResult(ben, 'Formal reading 5521?', folder);
    const text = await readFile(formal, 'utf8');
    for (const secret of [CAPTION, 'ct.png', 'Votes 5521', 'Sealed 5521?']) assert.ok(!text.includes(secret), secret);
  });

  it('re-counts files in the browser with no server', async () => {
    const reader = await p.person(browser, stack, { wallet: 'none' });
    await p.open(reader, '/verify');
    await reader.context.setOffline(true);
    await reader.page.getByTestId('verify-file').setInputFiles([formal, informal]);
    await reader.page.getByTestId('verified').filter({ hasText: 'Verified: 2 of 2 votes count' }).waitFor();
    await reader.page.getByTestId('verified').filter({ hasText: 'Verified: 1 of 1 votes count' }).waitFor();
    await reader.page.getByText('1 vote that the close does not certify').waitFor();
    assert.match(await reader.page.locator('[data-rule=membership]').first().innerText(), /not checked[\s\S]*block \d+/);
    assert.match(await reader.page.locator('[data-rule=wallet]').innerText(), /2 of 2/);
    await shot(reader.page, 'verified-1440', { fullPage: true });
    await accessible(reader.page);
    await reader.context.close();
  });

  it('names the exact rule when one byte was changed', async () => {
    const bundle = JSON.parse(await readFile(formal, 'utf8'));
    const at = bundle.votes[0].event.indexOf('"at":') + 6;
    const digit = bundle.votes[0].event[at];
    bundle.votes[0].event = bundle.votes[0].event.slice(0, at) + ((Number(digit) + 1) % 10) + bundle.votes[0].event.slice(at + 1);
    const changed = path.join(folder, 'changed.json');
    await writeFile(changed, JSON.stringify(bundle));
    const reader = await p.person(browser, stack, { wallet: 'none', viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
    await p.open(reader, '/verify');
    await reader.page.getByTestId('verify-file').setInputFiles(changed);
    await reader.page.getByTestId('error').filter({ hasText: 'Not verified: vote 1 was changed' }).waitFor();
    assert.match(await reader.page.locator('[data-rule=signature]').innerText(), /the bytes don't match the signature/);
    assert.match(await reader.page.locator('[data-rule=certified]').innerText(), /not in the file/);
    await shot(reader.page, 'not-verified-390', { fullPage: true });
    await reader.page.getByTestId('verify-file').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from('{"format":"something"') });
    await reader.page.getByTestId('error').filter({ hasText: 'Nothing could be checked' }).waitFor();
    await reader.context.close();

    const said = await verify(changed);
    assert.equal(said.status, 1);
    assert.match(said.stdout, /^Not verified: vote 1 was changed\./);
    assert.match(said.stdout, /FAILS {2}Every event is signed by its device/);
  });

  it('re-counts on the command line, and asks the registry where told to', async () => {
    const offline = await verify(formal);
    assert.equal(offline.status, 0, offline.stdout + offline.stderr);
    assert.match(offline.stdout, /^Verified: 2 of 2 votes count\./);
    assert.match(offline.stdout, /open {3}Readers were on the room's list: not checked/);
    const asked = await verify(formal, '--rpc', stack.rpcUrl, '--json');
    assert.equal(asked.status, 0, asked.stdout + asked.stderr);
    const report = JSON.parse(asked.stdout);
    assert.deepEqual(report.checks.find((check) => check.rule === 'membership'), { rule: 'membership', state: 'good', good: 2, of: 2 });
    assert.equal(report.room, room.split('/').pop());
    const nothing = await verify(path.join(folder, 'missing.json'));
    assert.equal(nothing.status, 2);
    assert.match(nothing.stderr, /cannot be read/);
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
