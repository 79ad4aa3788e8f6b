// Browser to browser: two members find a direct link, an image crosses on it without storage, and the talk
// goes on while the server is away. And Chromium's trial that forbids rewritten WebRTC credentials.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import * as people from '../lib/people.mjs';
import { file, png, pngOfBytes } from '../lib/pictures.mjs';
import { startStack } from '../stack.mjs';

let stack, browser;
before(async () => {
  stack = await startStack();
  browser = await people.launch();
}, { timeout: 120_000 });
after(async () => {
  await browser?.close();
  await stack?.stop();
});

/** Storage has nothing for this person: what opens has come from members. (Who is slow to answer, as on a busy machine,
 * makes the page ask storage as well; so "was not asked" would prove nothing more, and less often.) */
const withoutStorage = (me) => me.page.route('**/ipfs/**', (route) => route.abort());

/** Waits until the page shows so many direct links. */
const linked = (me, count) => me.page.waitForFunction(
  (text) => document.querySelector('[data-testid=direct-links]')?.textContent.includes(text),
  count ? `${count} direct` : 'none', { timeout: 60_000 });

test('two members are linked directly: images and talk do not need the server', { timeout: 180_000 }, async () => {
  const [ada, ben] = await Promise.all([people.person(browser, stack), people.person(browser, stack)]);
  await Promise.all([people.connect(ada), people.connect(ben)]);
  const room = await people.createRoom(ada, 'Direct');
  await people.addMember(ada, ben.address);
  await people.enterRoom(ben, room);
  await Promise.all([linked(ada, 1), linked(ben, 1)]);

  await withoutStorage(ben);
  await people.share(ada, 'A scan', [file('scan.png', png({ width: 900, height: 900 }))]);
  await ben.page.getByTestId('case').filter({ hasText: 'A scan' }).first().waitFor();
  await people.unlock(ben);

  await stack.killServer();
  for (const me of [ada, ben]) await me.page.locator('[data-testid=network-status][data-state=offline]').waitFor();
  await people.say(ada, 'The server is gone, are you there?');
  await people.message(ben, 'The server is gone').first().waitFor();
  await people.say(ben, 'Still here');
  await people.message(ada, 'Still here').first().waitFor();

  await stack.startServer();
  await Promise.all([people.stored(ada, 'The server is gone'), people.stored(ben, 'Still here')]);
  for (const me of [ada, ben]) {
    assert.equal(await people.message(me, 'The server is gone').count(), 1, 'nothing is shown twice');
    assert.equal(await people.message(me, 'Still here').count(), 1, 'nothing is shown twice');
  }
  await ben.context.close();
  await linked(ada, 0);
  assert.deepEqual(ada.errors, []);
  assert.deepEqual(ben.errors, []);
});

test('an image opens for who asks before the member who has it is linked', { timeout: 180_000 }, async () => {
  const [ada, ben] = await Promise.all([people.person(browser, stack), people.person(browser, stack)]);
  await Promise.all([people.connect(ada), people.connect(ben)]);
  const room = await people.createRoom(ada, 'Early');
  await people.addMember(ada, ben.address);
  await people.share(ada, 'A scan', [file('scan.png', png())]);
  await people.enterRoom(ben, room);
  await ben.page.getByTestId('case').filter({ hasText: 'A scan' }).first().waitFor();
  await withoutStorage(ben);
  await people.open(ben, room);
  await people.unlock(ben);
  people.clean(ada, ben);
  await Promise.all([ada.context.close(), ben.context.close()]);
});

test('fifty megabytes cross from browser to browser, without storage', { timeout: 240_000 }, async (t) => {
  const [ada, ben] = await Promise.all([people.person(browser, stack), people.person(browser, stack)]);
  await Promise.all([people.connect(ada), people.connect(ben)]);
  const room = await people.createRoom(ada, 'Large');
  await people.addMember(ada, ben.address);
  await people.enterRoom(ben, room);
  await Promise.all([linked(ada, 1), linked(ben, 1)]);
  await withoutStorage(ben);
  // Its noise compresses by a sixth.
  const study = pngOfBytes(61_000_000);
  assert.ok(study.length > 50_000_000);
  ada.context.setDefaultTimeout(120_000);
  ben.context.setDefaultTimeout(120_000);
  // The path of a file, because a buffer of that size does not go through the test's own connection.
  const folder = await mkdtemp(path.join(tmpdir(), 'healthsync-study-'));
  await writeFile(path.join(folder, 'study.png'), study);
  try {
    await people.share(ada, 'Fifty megabytes', [path.join(folder, 'study.png')]);
  } finally {
    await rm(folder, { recursive: true });
  }
  await ben.page.getByTestId('case').filter({ hasText: 'Fifty megabytes' }).first().waitFor();
  const from = Date.now();
  await people.unlock(ben);
  t.diagnostic(`${(study.length / 1e6).toFixed(1)} MB from unlocking to the picture: ${((Date.now() - from) / 1000).toFixed(1)} s`);
  people.clean(ada, ben);
  await Promise.all([ada.context.close(), ben.context.close()]);
});

test('where WebRTC credentials may not be rewritten, the page connects over WebRTC all the same', { timeout: 60_000 }, async () => {
  const strict = await people.launch(['--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/']);
  try {
    const ada = await people.person(strict, stack, { wallet: 'demo' });
    await people.open(ada, '/rooms');
    await people.transport(ada);
    assert.equal((await ada.page.getByTestId('transport').textContent()).trim(), 'webrtc');
    assert.deepEqual(ada.errors, []);
  } finally {
    await strict.close();
  }
});
