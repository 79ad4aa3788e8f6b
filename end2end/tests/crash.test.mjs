// A bad day: the server is killed again and again, tabs crash, people go on writing. Nothing that was shown as stored is
// missing afterwards, nothing shows twice, and both have the same order. HEALTHSYNC_BAD_MINUTES=20 makes it a long one:
// ten kills at random times over so many minutes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

const MINUTES = Number(process.env.HEALTHSYNC_BAD_MINUTES ?? 0);
const KILLS = MINUTES ? 10 : 4;
/** Messages between two kills, beside those around the kill; the page shows 200 in all. */
const BETWEEN = MINUTES ? 10 : 2;

describe('a server that is killed again and again, and tabs that crash', { timeout: 240_000 + MINUTES * 90_000 }, () => {
  let stack, browser, ada, ben, room;
  const said = [];

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    await p.connect(ada);
    await p.connect(ben);
    room = await p.createRoom(ada, 'A bad day');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  /** All texts with their states, in the order in which they show. */
  const shown = (me) => me.page.$$eval('[data-testid=message]', (all) => all.map((e) => [e.querySelector('.msg__text').textContent, e.dataset.state]));
  const write = async (me, name) => {
    const text = `${name} ${said.length}`;
    said.push(text);
    await p.say(me, text);
  };
  /** The renderer ends without a word, as when the machine runs out of memory. */
  const crash = async (me) => {
    const session = await me.context.newCDPSession(me.page);
    const crashed = me.page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {});
    await crashed;
    await me.page.close();
    me.errors = me.errors.filter((error) => error !== 'the page crashed');
    me.page = await me.context.newPage();
    me.page.on('pageerror', (error) => me.errors.push(String(error)));
    await p.enterRoom(me, room);
  };

  it('loses nothing and shows nothing twice', async () => {
    const stored = new Set();
    const note = async (me) => { for (const [text, state] of await shown(me)) if (state === 'stored') stored.add(text); };
    for (let kill = 0; kill < KILLS; kill++) {
      // A quiet moment of another length each time: the long form is about time as well.
      const calm = (Math.random() * 2 * MINUTES * 60_000) / KILLS / BETWEEN;
      for (let i = 0; i < BETWEEN; i += 2) {
        await write(ada, 'ada');
        await pause(calm);
        await write(ben, 'ben');
        await pause(calm);
      }
      await note(ada);
      // In the middle of sending.
      const writing = Promise.all([write(ada, 'ada meanwhile'), write(ben, 'ben meanwhile')]);
      await stack.killServer();
      await writing;
      await write(ada, 'ada while it was down');
      await note(ben);
      await stack.startServer();
      // Before what waits was sent, perhaps.
      if (kill === 1) await crash(ada);
      if (kill === 2) await crash(ben);
    }
    for (const text of said) {
      for (const me of [ada, ben]) await p.message(me, new RegExp(`^.*${text}$`)).first().waitFor();
      await p.stored(text.startsWith('ada') ? ada : ben, text);
    }
    const [a, b] = [await shown(ada), await shown(ben)];
    const texts = a.map(([text]) => text);
    assert.deepEqual([...texts].sort(), [...said].sort(), 'each once, and none missing');
    assert.deepEqual(b.map(([text]) => text), texts, 'the same order');
    for (const text of stored) assert.ok(texts.includes(text));
    assert.ok(a.every(([, state]) => state === 'stored') && b.every(([, state]) => state === 'stored'));
  });

  it('says the same to somebody who comes later', async () => {
    const before = (await shown(ada)).map(([text]) => text);
    const eve = await p.person(browser, stack);
    await p.connect(eve);
    await p.addMember(ada, eve.address);
    await p.enterRoom(eve, room);
    await p.message(eve, said.at(-1)).waitFor();
    await eve.page.waitForFunction((n) => document.querySelectorAll('[data-testid=message]').length === n, before.length);
    assert.deepEqual((await shown(eve)).map(([text]) => text), before);
    p.clean(eve);
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
