// The way to the relay changes while people talk: WebRTC becomes possible, breaks, and comes back; the relay stands still for
// half a minute. Every message is there once, and the page shows how it is connected.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Line, mislead, udpPort, unlinked } from '../lib/line.mjs';
import * as people from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

describe('the line to the relay', { timeout: 300_000 }, () => {
  let stack, browser, line, ada, ben;
  const said = [];
  before(async () => {
    stack = await startStack();
    browser = await people.launch();
    const port = udpPort(await (await fetch(`${stack.url}/api/bootstrap`)).json());
    line = await Line.to(port);
    line.cut();
    [ada, ben] = await Promise.all([people.person(browser, stack), people.person(browser, stack)]);
    for (const me of [ada, ben]) {
      await unlinked(me);
      await mislead(me, `/udp/${port}/`, `/udp/${line.port}/`);
      await people.connect(me);
    }
    const room = await people.createRoom(ada, 'Line');
    await people.addMember(ada, ben.address);
    await people.enterRoom(ben, room);
  });
  after(async () => {
    await browser?.close();
    line?.close();
    await stack?.stop();
  });

  const moved = (me, transport) => me.page.waitForFunction(
    (wanted) => document.querySelector('[data-testid=transport]')?.textContent.trim() === wanted, transport, { timeout: 60_000 });
  const offline = (me) => me.page.locator('[data-testid=network-status][data-state=offline]').first().waitFor({ timeout: 60_000 });
  const say = async (me) => {
    const text = `Word ${said.length}.`;
    said.push(text);
    await people.say(me, text);
  };
  /** Talks in turns until something has happened, and a little on. */
  const talkUntil = async (happened) => {
    let over = false;
    const end = happened.finally(() => { over = true; });
    for (let turn = 0, more = 6; more > 0; turn++) {
      if (over) more--;
      await say(turn % 2 ? ben : ada);
      // Nobody types faster.
      await pause(100);
    }
    await end;
  };
  /** Everything that was said, once each, in both browsers. */
  const complete = async () => {
    for (const me of [ada, ben]) {
      await people.message(me, said.at(-1)).first().waitFor({ timeout: 60_000 });
      // The page shows the last 200 until it is asked for more.
      const shownAll = (count) => {
        const shown = document.querySelectorAll('[data-testid=message]').length;
        if (shown < count) document.querySelector('.talk__older')?.click();
        return shown >= count;
      };
      await me.page.waitForFunction(shownAll, said.length, { polling: 250 });
      const shown = (await people.message(me, 'Word ').allTextContents()).map((text) => text.match(/Word \d+\./)[0]);
      assert.deepEqual(shown.toSorted(), said.toSorted());
    }
  };
  /** How many connections the relay has, by transport. */
  const connections = async () => {
    const text = await (await fetch(`${stack.url}/metrics`)).text();
    const of = (transport) => Number(text.match(new RegExp(`^healthsync_transport_connections\\{transport="${transport}"\\} (\\d+)$`, 'm'))[1]);
    return { webrtc: of('webrtc'), websocket: of('websocket') };
  };

  it('goes by WebSocket where UDP is blocked, and says why', async () => {
    for (const me of [ada, ben]) {
      assert.equal(await people.transport(me), 'websocket');
      await me.page.getByTestId('network-status').first().click();
      await me.page.getByText(/WebRTC .*; WebSocket is used\./).first().waitFor();
      await me.page.keyboard.press('Escape');
    }
  });

  it('moves to WebRTC when that becomes possible, in the middle of the talk', async () => {
    await say(ada);
    line.mend();
    // One browser is told that the network has changed; the other finds out by itself.
    await ada.page.evaluate(() => dispatchEvent(new Event('online')));
    await talkUntil(Promise.all([moved(ada, 'webrtc'), moved(ben, 'webrtc')]));
    await complete();
    for (let now; now = await connections(), now.websocket > 0;) await pause(100);
    assert.deepEqual(await connections(), { webrtc: 2, websocket: 0 });
    assert.equal(await ada.page.getByText(/WebSocket is used/).count(), 0);
  });

  it('falls back when the line is cut, and moves again when it is mended', async () => {
    line.cut();
    await talkUntil(Promise.all([moved(ada, 'websocket'), moved(ben, 'websocket')]));
    await complete();
    line.mend();
    for (const me of [ada, ben]) await me.page.evaluate(() => dispatchEvent(new Event('online')));
    await talkUntil(Promise.all([moved(ada, 'webrtc'), moved(ben, 'webrtc')]));
    await complete();
  });

  it('notices a relay that stands still, keeps what is written, and heals', async (t) => {
    const frozen = Date.now();
    process.kill(stack.serverPid, 'SIGSTOP');
    try {
      await say(ada);
      await Promise.all([offline(ada), offline(ben)]);
      t.diagnostic(`noticed after ${((Date.now() - frozen) / 1000).toFixed(1)} s`);
      await say(ada);
      await say(ben);
      await pause(Math.max(0, 30_000 - (Date.now() - frozen)));
    } finally {
      process.kill(stack.serverPid, 'SIGCONT');
    }
    const thawed = Date.now();
    await Promise.all([people.transport(ada), people.transport(ben)]);
    t.diagnostic(`healed after ${((Date.now() - thawed) / 1000).toFixed(1)} s`);
    for (const me of [ada, ben]) await people.stored(me, said.at(me === ada ? -2 : -1));
    await complete();
  });

  it('broke nothing behind the scenes', () => people.clean(ada, ben));
});
