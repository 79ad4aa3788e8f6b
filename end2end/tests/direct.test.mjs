// Browser to browser: two members find a direct link, an image crosses on it without the storage being asked, and the
// talk goes on while the server is away. And Chromium's trial that forbids rewritten WebRTC credentials.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as people from '../lib/people.mjs';
import { file, png } from '../lib/pictures.mjs';
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

  const asked = [];
  ben.page.on('request', (request) => { if (request.url().includes('/ipfs/')) asked.push(request.url()); });
  await people.share(ada, 'A scan', [file('scan.png', png({ width: 900, height: 900 }))]);
  await ben.page.getByTestId('case').filter({ hasText: 'A scan' }).first().waitFor();
  await people.unlock(ben);
  assert.deepEqual(asked, [], 'the bytes came from Ada, not from storage');

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

test('where WebRTC credentials may not be rewritten, the page connects by WebSocket and says why', { timeout: 60_000 }, async () => {
  const strict = await people.launch(['--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/']);
  try {
    const ada = await people.person(strict, stack, { wallet: 'demo' });
    await people.open(ada, '/rooms');
    await people.transport(ada);
    assert.equal((await ada.page.getByTestId('transport').textContent()).trim(), 'websocket');
    const why = await ada.page.locator('#conn .menu__note').textContent();
    assert.match(why, /WebRTC failed \(the browser refuses our description/);
    assert.deepEqual(ada.errors, []);
  } finally {
    await strict.close();
  }
});
