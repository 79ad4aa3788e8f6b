// The main job, end to end, in real Chromium: two people share a medical image, unlock it and vote on it,
// with a third who is not in the room. Real wallet libraries, real chain, real relay, real key nodes.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PATIENT, file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

const NAME = 'Chest second opinions 7193';
const TEXT = 'Solid nodule in the right upper lobe 7193';
const CAPTION = 'Nodule, right upper lobe 7193';
const QUESTION = 'Most likely diagnosis 7193?';

describe('two people share an image, unlock it and vote', { timeout: 300_000 }, () => {
  let stack, browser, ada, ben, eve, room;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben, eve] = await Promise.all([p.person(browser, stack), p.person(browser, stack), p.person(browser, stack)]);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('reads without scripts', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(stack.url + '/');
    assert.match(await page.locator('main').innerText(), /image/i);
    await page.goto(stack.url + '/rooms');
    assert.match(await page.locator('h1').innerText(), /rooms/i);
    await context.close();
  });

  it('connects a wallet with one delegation signature', async () => {
    await p.connect(ada);
    assert.match(await p.transport(ada), /^(webrtc|websocket)$/);
    assert.equal(ada.wallet.log.filter((m) => m === 'eth_signTypedData_v4').length, 1);
    await p.connect(ben);
    await p.connect(eve);
  });

  it('creates a room on the chain', async () => {
    room = await p.createRoom(ada, NAME);
    assert.match(room, /^\/rooms\/0x[0-9a-f]{64}$/);
    await p.member(ada, ada.address).waitFor();
  });

  it('adds a colleague, who finds the room and its name', async () => {
    await p.addMember(ada, ben.address);
    await p.open(ben, '/rooms');
    await ben.page.getByTestId('room-card').filter({ hasText: NAME }).click();
    await ben.page.getByTestId('room-title').filter({ hasText: NAME }).waitFor();
  });

  it('carries messages both ways', async () => {
    await p.say(ada, TEXT);
    await p.message(ben, TEXT).waitFor();
    await p.say(ben, 'Is there an earlier film? 7193');
    await p.message(ada, 'Is there an earlier film? 7193').waitFor();
    await p.stored(ada, TEXT);
  });

  it('shares an image that the colleague unlocks', async () => {
    await p.share(ada, CAPTION, [file('jane-doe-ct.png', png({ seed: 3 }))]);
    await ben.page.getByTestId('case-locked').waitFor();
    assert.equal(await ben.page.getByTestId('image').count(), 0);
    await p.unlock(ben);
    assert.deepEqual((({ width, height }) => ({ width, height }))(await p.picture(ben)), { width: 256, height: 256 });
  });

  it('tells its author, and nobody else, who was given the key', async () => {
    assert.equal(await ben.page.getByTestId('readers').count(), 0);
    await ada.page.getByTestId('readers').locator('summary').click();
    const row = ada.page.getByTestId('reader');
    await row.first().waitFor();
    assert.equal(await row.count(), 1, 'one person, whom every node that was asked has noted');
    assert.match(await row.innerText(), new RegExp(`${ben.address.slice(2, 6)}.*key nodes`, 'is'));
    await ada.page.getByTestId('readers').locator('summary').click();
  });

  it('has taken the patient name out of what the colleague gets', async () => {
    // As a person saves the picture: the policy lets no script read it back.
    const [download] = await Promise.all([
      ben.page.waitForEvent('download'),
      ben.page.evaluate(() => {
        const link = document.createElement('a');
        link.href = document.querySelector('[data-testid=image] img').src;
        link.download = 'picture.png';
        link.click();
      }),
    ]);
    const bytes = await readFile(await download.path());
    assert.deepEqual([...bytes.subarray(1, 4)], [...Buffer.from('PNG')]);
    assert.ok(!bytes.includes(PATIENT));
  });

  it('tells the colleague nothing of how the file was called', async () => {
    const corner = ben.page.locator('[data-corner=ts]');
    await corner.filter({ hasText: 'PNG, 256 × 256' }).waitFor();
    for (const me of [ada, ben]) assert.ok(!(await me.page.content()).includes('jane-doe'));
  });

  it('shows the colleague what was removed, and that the file is the cleaned one', async () => {
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-act=receipt]').click();
    const receipt = ben.page.locator('[data-receipt]');
    await receipt.getByText('its SHA-256 is the same').waitFor();
    await receipt.getByText('1 part of the image/png file was removed').waitFor();
    await receipt.getByRole('cell', { name: 'Text and comments' }).waitFor();
    await ben.page.locator('[data-act=unreceipt]').click();
  });

  it('asks, votes, changes the vote, and everybody sees the count', async () => {
    await p.ask(ada, QUESTION, ['Primary lung carcinoma', 'Granuloma']);
    await p.option(ben, 'Granuloma').waitFor();
    await p.vote(ada, 'Granuloma');
    await p.countIs(ben, 'Granuloma', 1);
    await p.vote(ben, 'Primary lung carcinoma');
    await p.countIs(ada, 'Primary lung carcinoma', 1);
    await p.vote(ben, 'Granuloma');
    await p.countIs(ada, 'Granuloma', 2);
    await p.countIs(ada, 'Primary lung carcinoma', 0);
  });

  it('lets anyone in the room add an option', async () => {
    await ben.page.getByTestId('poll-add-option').click();
    await ben.page.getByLabel('New option').fill('Hamartoma');
    await ben.page.keyboard.press('Enter');
    await p.option(ada, 'Hamartoma').waitFor();
  });

  it('counts two simultaneous votes once each', async () => {
    await Promise.all([p.vote(ada, 'Hamartoma'), p.vote(ben, 'Hamartoma')]);
    await Promise.all([p.countIs(ada, 'Hamartoma', 2), p.countIs(ben, 'Hamartoma', 2)]);
    await Promise.all([p.countIs(ada, 'Granuloma', 0), p.countIs(ben, 'Granuloma', 0)]);
  });

  it('asked the wallet for nothing but the delegation and two transactions', () => {
    assert.equal(ada.wallet.log.filter((m) => m === 'eth_signTypedData_v4').length, 1);
    assert.equal(ada.wallet.log.filter((m) => m === 'eth_sendTransaction').length, 2);
    assert.equal(ben.wallet.log.filter((m) => m === 'eth_sendTransaction').length, 0);
  });

  it('tells a person who is not on the list, and gives her nothing', async () => {
    await p.open(eve, room);
    await eve.page.getByTestId('error').filter({ hasText: /list/i }).first().waitFor();
    const html = await eve.page.content();
    for (const secret of [NAME, TEXT, CAPTION, QUESTION]) assert.ok(!html.includes(secret));
    assert.equal(await eve.page.getByTestId('composer').count(), 0);
  });

  it('keeps everything across a reload', async () => {
    await ben.page.reload();
    await p.live(ben);
    await p.message(ben, TEXT).waitFor();
    await p.option(ben, 'Hamartoma').getByTestId('my-vote').waitFor();
    await p.countIs(ben, 'Hamartoma', 2);
  });

  it('survives a server that is killed in the middle', async () => {
    await stack.killServer();
    await p.say(ada, 'written while the server was down 7193');
    assert.equal(await p.message(ada, 'written while the server was down 7193').getAttribute('data-state'), 'unsent');
    await stack.startServer();
    await p.message(ben, 'written while the server was down 7193').waitFor();
    await p.stored(ada, 'written while the server was down 7193');
    await p.countIs(ben, 'Hamartoma', 2);
  });

  it('sends what was written offline when the network is back', async () => {
    await ben.context.setOffline(true);
    await ben.page.locator('[data-testid=network-status][data-state=offline]').waitFor();
    await p.say(ben, 'written offline 7193');
    await p.say(ada, 'said meanwhile 7193');
    await ben.context.setOffline(false);
    await p.message(ada, 'written offline 7193').waitFor();
    await p.message(ben, 'said meanwhile 7193').waitFor();
    assert.equal(await p.message(ada, 'written offline 7193').count(), 1);
  });

  it('lets the asker close the poll, and shows the result to both', async () => {
    await ada.page.getByTestId('poll-close').click();
    for (const me of [ada, ben]) {
      await me.page.getByTestId('poll').filter({ hasText: /closed/i }).waitFor();
      assert.equal(await me.page.getByTestId('cast-vote').count(), 0);
    }
  });

  it('asks a second question about the same case', async () => {
    await p.ask(ada, 'What next 7193?', ['Biopsy', 'Follow-up in three months', 'PET']);
    await p.vote(ben, 'PET');
    await p.countIs(ada, 'PET', 1);
  });

  it('gives a person who joins later the whole history', async () => {
    await p.addMember(ada, eve.address);
    await p.enterRoom(eve, room);
    await p.message(eve, TEXT).waitFor();
    await p.message(eve, 'written offline 7193').waitFor();
    await p.unlock(eve);
  });

  it('closes the room to a person who is removed', async () => {
    await p.member(ada, eve.address).getByTestId('member-remove').click();
    await eve.page.getByTestId('error').filter({ hasText: /list/i }).first().waitFor();
    assert.equal(await eve.page.getByTestId('composer').count(), 0);
    await p.member(ada, eve.address).waitFor({ state: 'detached' });
  });

  it('leaves nothing readable with the server', async () => {
    const marks = [TEXT, NAME, CAPTION, QUESTION, PATIENT, 'Granuloma', 'jane-doe'].map((m) => Buffer.from(m));
    for (const dir of [stack.dataDir, stack.logDir].filter(Boolean)) {
      for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const where = path.join(entry.parentPath ?? entry.path, entry.name);
        const bytes = await readFile(where);
        for (const mark of marks) assert.ok(!bytes.includes(mark), `${mark} in ${entry.name}`);
      }
    }
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben, eve));
});
