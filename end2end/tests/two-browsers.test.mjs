// One person with two browsers: a room taken from one to the other as a file, checked again there; two tabs on one store;
// and a browser whose right to write is ended.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generatePrivateKey } from 'viem/accounts';
import * as p from '../lib/people.mjs';
import * as keys from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

describe('one person, two browsers', { timeout: 240_000 }, () => {
  let stack, browser, key, desk, laptop, ben, room, id, file, folder;
  const on = (me, name) => me.page.getByTestId(name);
  const takeIn = (me, name, buffer) => on(me, 'copy-take-in').setInputFiles({ name, mimeType: 'application/octet-stream', buffer });
  const result = (me, text) => on(me, 'copy-result').filter({ hasText: text }).waitFor();
  const save = async (me, withKeys) => {
    if (!(await on(me, 'copy-open').evaluate((e) => e.parentElement.open))) await on(me, 'copy-open').click();
    await on(me, 'copy-keys').setChecked(withKeys);
    const [download] = await Promise.all([me.page.waitForEvent('download'), on(me, 'copy-save').click()]);
    assert.match(download.suggestedFilename(), /^healthsync-room-[0-9a-f]{8}\.copy$/);
    return readFile(await download.path());
  };

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'copies-'));
    stack = await startStack();
    browser = await p.launch();
    key = generatePrivateKey();
    [desk, laptop, ben] = await Promise.all([p.person(browser, stack, { key }), p.person(browser, stack, { key, direct: false }), p.person(browser, stack)]);
    for (const me of [desk, ben]) await p.connect(me);
    room = await p.createRoom(desk, 'To go');
    id = room.split('/').pop();
    await p.addMember(desk, ben.address);
    await p.enterRoom(ben, room);
    await p.say(desk, 'The film of Tuesday.');
    await p.say(ben, 'Seen. Left hilum?');
    await p.message(desk, 'Left hilum?').waitFor();
    for (const text of ['The film of Tuesday.']) await p.stored(desk, text);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('saves a copy: sealed, and with the keys only when that was asked for', async () => {
    const sealed = await save(desk, false);
    const text = sealed.toString('latin1');
    assert.ok(text.startsWith('healthsync/room-copy/1\n{'));
    assert.ok(!text.includes('Left hilum'));
    assert.match(text, /"keys":\[\]/);
    file = await save(desk, true);
    const master = [...(await keys.masters(desk, id)).values()][0];
    assert.match(file.toString('latin1'), /"keys":\[\{"epoch":0,"master":"[0-9a-f]{64}"\}\]/);
    assert.ok(master);
  });

  it('takes the copy in: says what is new, refuses what was changed, and nothing of a damaged file', async () => {
    // Nothing is in it, and it takes no place.
    const large = path.join(folder, 'large.copy');
    await writeFile(large, '');
    await truncate(large, 256 * 1024 * 1024 + 1);
    // No word from the relay: what is here comes from the file.
    await laptop.page.routeWebSocket(/\/p2p/, () => {});
    await p.connect(laptop);
    await p.open(laptop, '/rooms');
    await takeIn(laptop, 'notes.txt', Buffer.from('no copy'));
    await result(laptop, 'not a copy of a room');
    await takeIn(laptop, 'cut.copy', file.subarray(0, file.length - 7));
    await result(laptop, 'damaged');
    await on(laptop, 'copy-take-in').setInputFiles(large);
    await result(laptop, 'larger than 256 MiB');
    const forged = Buffer.from(file);
    forged[forged.length - 20] ^= 1;
    await takeIn(laptop, 'forged.copy', forged);
    await result(laptop, 'Refused 1: changed, or not signed by their author.');
    await takeIn(laptop, 'whole.copy', file);
    await result(laptop, /1 event is new here, [0-9]+ were here already/);
    await on(laptop, 'copy-result').getByRole('link').click();
    await p.message(laptop, 'Left hilum?').waitFor();
    await p.message(laptop, 'The film of Tuesday.').waitFor();
    await laptop.page.close();
    laptop.page = await laptop.context.newPage();
    await p.enterRoom(laptop, room);
    await p.say(laptop, 'And from the laptop.');
    await p.message(ben, 'And from the laptop.').waitFor();
  });

  it('refuses the copy to somebody who is not on the list', async () => {
    const eve = await p.person(browser, stack);
    await p.connect(eve);
    await p.open(eve, '/rooms');
    await takeIn(eve, 'whole.copy', file);
    await result(eve, 'you are not on the list of its room');
    assert.equal((await keys.masters(eve, id)).size, 0);
    p.clean(eve);
    await eve.context.close();
  });

  it('shares one store between two tabs: both write at once, and nothing is lost or said twice', async () => {
    const second = { ...desk, page: await desk.context.newPage() };
    await p.enterRoom(second, room);
    const texts = Array.from({ length: 8 }, (_, i) => `tab ${i % 2} says ${i}`);
    await Promise.all([desk, second].map(async (me, tab) => {
      for (const text of texts.filter((_, i) => i % 2 === tab)) await p.say(me, text);
    }));
    for (const text of texts) {
      for (const me of [desk, second, ben]) {
        await p.message(me, text).waitFor();
        assert.equal(await p.message(me, text).count(), 1);
      }
      await p.stored(desk, text);
    }
    await second.page.close();
  });

  it('forgets the copy of a room by choice, and has it again when the room is opened', async () => {
    await p.open(desk, '/rooms');
    await on(desk, 'kept-open').click();
    await on(desk, 'kept-room').filter({ hasText: 'To go' }).getByTestId('kept-forget').click();
    await on(desk, 'kept-room').first().waitFor({ state: 'detached' });
    assert.equal((await keys.envelopes(desk, id)).length, 0);
    await p.enterRoom(desk, room);
    await p.message(desk, 'Left hilum?').waitFor();
    await on(desk, 'composer').fill('Written after forgetting.');
    await on(desk, 'send').click();
    await p.stored(desk, 'Written after forgetting.');
    await p.message(ben, 'Written after forgetting.').waitFor();
  });

  it('ends the right of a browser, and tells the relay and the key nodes of it', async () => {
    await laptop.page.goto('about:blank');
    await desk.page.getByTestId('my-devices').locator('summary').click();
    const told = ['/api/end_device', ...[1, 2, 3, 4, 5].map((node) => `/api/endDevice/${node}`)]
      .map((path) => desk.page.waitForResponse((answer) => answer.url().endsWith(path)));
    await on(desk, 'device-revoke').click();
    for (const answer of await Promise.all(told)) assert.equal(answer.status(), 200, answer.url());
    await on(desk, 'toast').filter({ hasText: 'revoked' }).first().waitFor();
    await p.say(desk, 'Only the desk now.');
    await p.message(ben, 'Only the desk now.').waitFor();
  });

  it('says so in the browser that is shut out, keeps what stands there, and lets it back by the wallet', async () => {
    const clinic = await p.person(browser, stack, { key });
    await p.connect(clinic);
    await p.enterRoom(clinic, room);
    await p.say(clinic, 'From the clinic.');
    await p.message(desk, 'From the clinic.').waitFor();
    await on(clinic, 'composer').fill('Am I still heard?');
    await on(desk, 'device-revoke').click();
    await clinic.page.locator('.notice').filter({ hasText: 'has revoked this browser' }).first().waitFor();
    assert.equal(await on(clinic, 'composer').inputValue(), 'Am I still heard?');
    await clinic.page.getByRole('button', { name: 'Sign in the wallet' }).first().click();
    await clinic.page.locator('[data-testid=account][data-session=ready]').waitFor();
    await on(clinic, 'send').click();
    await p.message(ben, 'Am I still heard?').waitFor();
    await p.stored(clinic, 'Am I still heard?');
    p.clean(clinic);
  });

  it('keeps the field, and what is typed into it, while the key of the room comes to a new browser', async () => {
    const home = await p.person(browser, stack, { key });
    let answer;
    const held = new Promise((go) => { answer = go; });
    // From the beginning: the list of rooms fetches keys as well.
    await home.page.route('**/api/key_shares*', async (route) => { await held; await route.continue().catch(() => {}); });
    await p.connect(home);
    await p.open(home, room);
    const field = await on(home, 'composer').elementHandle();
    await home.page.getByText('Waiting for 3 more key shares').waitFor();
    await field.type('Typed before ');
    answer();
    await p.message(home, 'The film of Tuesday.').waitFor();
    // Into whatever has the focus now.
    await home.page.keyboard.type('and after.');
    await home.page.keyboard.press('Enter');
    await p.message(ben, 'Typed before and after.').waitFor();
    p.clean(home);
    await home.context.close();
  });

  it('broke nothing behind the scenes', () => p.clean(desk, laptop, ben));
});
