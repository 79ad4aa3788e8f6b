// Page after page: over WebRTC the first stream that the server opens is there in every one, and the longest messages cross on
// either transport. In the published WebRTC transport that stream came ten seconds late in most page loads, and whatever was
// longer than 16 KiB was lost.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loads } from '../lib/loads.mjs';
import * as people from '../lib/people.mjs';
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

test("ten page loads over WebRTC have the server's first stream, and no page breaks", { timeout: 180_000 }, async () => {
  const found = await loads(browser, stack, { count: 10, patience: 8_000 });
  assert.deepEqual(found.errors, []);
  assert.deepEqual(found.transports, { webrtc: 10 });
  assert.equal(found.first.length, 10, "the server's stream came in every load");
});

for (const transport of ['websocket', 'webrtc']) {
  test(`the longest messages cross, each once, by ${transport}`, { timeout: 180_000 }, async () => {
    // Without direct links, a browser without WebRTC has one way only.
    const direct = transport === 'webrtc';
    const [ada, ben] = await Promise.all([people.person(browser, stack, { direct }), people.person(browser, stack, { direct })]);
    await Promise.all([people.connect(ada), people.connect(ben)]);
    const room = await people.createRoom(ada, 'Long');
    await people.addMember(ada, ben.address);
    for (const me of [ada, ben]) {
      await me.page.evaluate((t) => localStorage.setItem('healthsync.transport', t), transport);
      await people.enterRoom(me, room);
      assert.equal(await people.transport(me), transport);
    }
    // Two bytes a letter: nearly as many bytes as a message may have, and its envelope is longer than 16 KiB.
    for (let i = 0; i < 10; i++) {
      const [from, to] = i % 2 ? [ben, ada] : [ada, ben];
      await people.say(from, `Long ${i}: ${'ж'.repeat(7_900)}`);
      await people.message(to, `Long ${i}:`).first().waitFor();
    }
    for (const me of [ada, ben]) assert.equal(await people.message(me, 'Long ').count(), 10, 'each is shown once');
    people.clean(ada, ben);
    await Promise.all([ada.context.close(), ben.context.close()]);
  });
}
