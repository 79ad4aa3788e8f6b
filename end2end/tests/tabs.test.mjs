// The tabs of a browser share one node: one connection at the relay, messages and images in all of them. When the tab that
// runs the node closes, crashes, is loaded anew, is frozen or hangs, another goes on. Tabs of two persons stay apart.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import * as p from '../lib/people.mjs';
import { file, png } from '../lib/pictures.mjs';
import { startStack } from '../stack.mjs';
import { createWallet } from '../wallet/index.mjs';

const on = (me, name) => me.page.getByTestId(name);

/** Another tab of the same browser. */
const tab = async (of) => {
  const me = { ...of, page: await of.context.newPage() };
  me.page.on('pageerror', (error) => me.errors.push(error.stack ?? String(error)));
  return me;
};

const metric = async (stack, name) => {
  const text = await (await fetch(`${stack.url}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))[1]);
};

/** Looks again and again until it holds; what closes is noticed a moment later. */
const until = async (what, holds) => {
  for (const end = Date.now() + 60_000; ;) {
    const seen = await holds();
    if (seen === true) return;
    assert.ok(Date.now() < end, `${what}: ${seen}`);
    await pause(100);
  }
};

describe('two tabs, one node', { timeout: 420_000 }, () => {
  let stack, browser, ada, second, ben, room, other;
  let said = [];

  /** Waits until the relay counts so many. */
  const counts = (name, wanted) => until(name, async () => {
    const now = await metric(stack, name);
    return now === wanted || `${now}, not ${wanted}`;
  });
  /** Who runs a node and who waits for that, by the names of the locks. */
  const locks = (me) => me.page.evaluate(async () => {
    const { held, pending } = await navigator.locks.query();
    const of = (list) => list.filter((lock) => lock.name.startsWith('healthsync-node/')).map((lock) => [lock.name, lock.clientId]);
    return { held: of(held), pending: of(pending) };
  });
  /** The locks of the tabs that wait, and of the one that does not. */
  const shared = async (me, tabs) => until(`${tabs} tabs share a node`, async () => {
    const { held, pending } = await locks(me);
    return (held.length === 1 && pending.length === tabs - 1) || JSON.stringify({ held, pending });
  });
  /** Whether this page has a lock of a node; which are its own, it knows by one that nobody else has. */
  const isHost = async (me) => {
    const { held } = await locks(me);
    const mine = await me.page.evaluate(async () => {
      let id;
      await navigator.locks.request('test', async () => {
        const { held } = await navigator.locks.query();
        id = held.find((lock) => lock.name === 'test').clientId;
      });
      return id;
    });
    return held.some(([, client]) => client === mine);
  };
  const say = async (me, text) => {
    said.push(text);
    await p.say(me, text);
  };
  /** Everybody has everything, once, and the relay has what its writer shows as stored. */
  const complete = async (...people) => {
    for (const text of said) {
      for (const me of people) {
        await p.message(me, text).first().waitFor();
        assert.equal(await p.message(me, text).count(), 1, text);
      }
    }
    for (const me of people) await me.page.waitForFunction(() => !document.querySelector('[data-testid=message]:not([data-state=stored])'));
  };
  /** Both in the room, `ada` with the node. */
  const both = async () => {
    const before = ada.context.pages();
    ada = await tab(ada);
    for (const page of before) await page.close();
    await p.enterRoom(ada, room);
    await p.transport(ada);
    await shared(ada, 1);
    second = await tab(ada);
    await p.enterRoom(second, room);
    await p.transport(second);
    await shared(second, 2);
    assert.ok(await isHost(ada) && !(await isHost(second)));
  };
  /** The relay has one connection of each, and one admission. */
  const one = async () => {
    await counts('healthsync_connections', 2);
    await counts('healthsync_admissions', 2);
  };
  const linked = (me) => me.page.waitForFunction(() => /[1-9]\d* direct/.test(document.querySelector('[data-testid=direct-links]')?.textContent));
  const here = (me, address) => p.member(me, address).and(me.page.locator('[data-here]')).waitFor();
  /** What a page hears before the browser freezes it, and after. Chromium freezes hidden pages only, and headless none is
   * hidden; the page that hangs, below, is one that stands still without having heard anything. */
  const hears = (me, name) => me.page.evaluate((name) => document.dispatchEvent(new Event(name)), name);

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    for (const me of [ada, ben]) await p.connect(me);
    other = await p.createRoom(ada, 'Another room');
    await p.addMember(ada, ben.address);
    room = await p.createRoom(ada, 'Two tabs');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('has one connection and one admission at the relay, and talks from both tabs', async () => {
    await counts('healthsync_admissions', 2);
    second = await tab(ada);
    await p.enterRoom(second, room);
    assert.equal(await p.transport(second), await p.transport(ada));
    for (let i = 0; i < 3; i++) {
      await say(ada, `first tab ${i}`);
      await say(second, `second tab ${i}`);
      await say(ben, `ben ${i}`);
    }
    await complete(ada, second, ben);
    await one();
    await shared(second, 2);
    assert.ok(await isHost(ada) && !(await isHost(second)));
  });

  it('reads what the other tab wrote, and not the whole room again', async () => {
    await second.page.evaluate(() => {
      window.read = 0;
      const all = IDBObjectStore.prototype.getAll;
      IDBObjectStore.prototype.getAll = function (...range) {
        const asked = all.apply(this, range);
        if (this.name === 'envelopes') asked.addEventListener('success', () => { window.read += asked.result.length; });
        return asked;
      };
    });
    const before = said.length;
    for (let i = 0; i < 3; i++) await say(ada, `only this ${i}`);
    await complete(ada, second, ben);
    const read = await second.page.evaluate(() => window.read);
    assert.ok(read > 0 && read < before, `${read} events were read for 3, where ${before} messages were there before`);
  });

  it('is here and types as one person, also when one of two tabs closes', async () => {
    await here(ben, ada.address);
    const third = await tab(ada);
    await p.enterRoom(third, room);
    // It says nothing before the room is open, and then not with each key.
    await until('Ben sees that she writes', async () => {
      await on(third, 'composer').press('x');
      return /is writing/.test(await ben.page.locator('.typing').first().textContent()) || 'not yet';
    });
    await on(third, 'composer').fill('');
    await third.page.close({ runBeforeUnload: true });
    await shared(ada, 2);
    // What it says at its end reaches Ben before the next message does.
    await say(second, 'one tab less');
    await p.message(ben, 'one tab less').waitFor();
    await here(ben, ada.address);
    await here(second, ben.address);
  });

  it('opens what members share and shares from the tab without the node, without storage', async () => {
    await Promise.all([ada, second, ben].map(linked));
    const storage = '**/ipfs/**';
    await Promise.all([ada.context, ben.context].map((context) => context.route(storage, (route) => route.abort())));
    await p.share(ben, 'From Ben', [file('ben.png', png({ seed: 3 }))]);
    // First in the tab that has no node; then in the other, which has it from there.
    for (const me of [second, ada]) {
      await on(me, 'case').filter({ hasText: 'From Ben' }).first().waitFor();
      await p.unlock(me);
      assert.equal((await p.picture(me)).width, 256);
    }
    await p.share(second, 'From the second tab', [file('second.png', png({ seed: 4, width: 300 }))]);
    await p.openCase(ben, 'From the second tab');
    await p.unlock(ben);
    assert.equal((await p.picture(ben)).width, 300);
    // What a guest has, its next host has, too.
    await p.share(second, 'Before the change', [file('third.png', png({ seed: 5, width: 310 }))]);
    await on(ben, 'case').filter({ hasText: 'Before the change' }).first().waitFor();
    await ada.page.close();
    await p.transport(second);
    await linked(second);
    await linked(ben);
    await p.openCase(ben, 'Before the change');
    await p.unlock(ben);
    assert.equal((await p.picture(ben)).width, 310);
    await Promise.all([second.context, ben.context].map((context) => context.unroute(storage)));
  });

  it('keeps a room joined for the tab that stays, and leaves it after the last', async () => {
    await both();
    await p.open(second, '/rooms');
    await say(ben, 'only the first tab is in the room');
    await p.message(ada, 'only the first tab is in the room').waitFor();
    await p.enterRoom(second, room);
    await p.enterRoom(ada, other);
    await p.say(ada, 'elsewhere meanwhile');
    await p.stored(ada, 'elsewhere meanwhile');
    await say(ben, 'only the second tab is in the room');
    await p.message(second, 'only the second tab is in the room').waitFor();
    await say(second, 'and it answers');
    await p.message(ben, 'and it answers').waitFor();
    await p.open(ada, '/');
    await p.open(second, '/');
    await counts('healthsync_admissions', 1);
    for (const me of [ada, second]) await p.enterRoom(me, room);
    await complete(ada, second, ben);
    await one();
  });

  for (const [what, ends] of [
    ['closes', () => ada.page.close()],
    ['is loaded anew', async () => {
      await ada.page.reload();
      await p.transport(ada);
    }],
    ['crashes', async () => {
      const session = await ada.context.newCDPSession(ada.page);
      const crashed = ada.page.waitForEvent('crash');
      session.send('Page.crash').catch(() => {});
      await crashed;
      await ada.page.close();
      ada.errors.splice(0, Infinity, ...ada.errors.filter((error) => error !== 'the page crashed'));
    }],
  ]) it(`goes on in the other tab when the tab with the node ${what} in the middle of sending`, async () => {
    await both();
    await say(ada, `before it ${what}`);
    await complete(ada, second, ben);
    const texts = [0, 1, 2].map((i) => `${i}: while it ${what}`);
    said.push(...texts, `and Ben while it ${what}`);
    await Promise.all([
      (async () => { for (const text of texts) await p.say(second, text); })(),
      p.say(ben, `and Ben while it ${what}`),
      ends(),
    ]);
    await say(ben, `anybody, after it ${what}?`);
    await say(second, `yes, after it ${what}`);
    const people = ada.page.isClosed() ? [second, ben] : [ada, second, ben];
    await complete(...people);
    assert.ok(await isHost(second));
    await shared(second, people.length - 1);
    await one();
  });

  it('gives the node away when the browser freezes its tab, and is a guest when it thaws', async () => {
    await both();
    await hears(ada, 'freeze');
    await say(ben, 'while a tab is frozen');
    await p.message(second, 'while a tab is frozen').waitFor();
    await say(second, 'the other goes on');
    await complete(second, ben);
    await one();
    assert.ok(await isHost(second));
    await shared(second, 1);
    await hears(ada, 'resume');
    await complete(ada, second, ben);
    await shared(second, 2);
    assert.ok(await isHost(second) && !(await isHost(ada)));
    await say(ada, 'thawed');
    await complete(ada, second, ben);
    await one();
  });

  it('takes the node from a tab that hangs, which finds its place again', async () => {
    await both();
    // Not waited for: it answers when it is over.
    const hangs = ada.page.evaluate(() => { for (const end = Date.now() + 25_000; Date.now() < end;); });
    await until('the other tab has the lock', async () => await isHost(second) || 'not yet');
    await say(second, 'it hangs');
    await say(ben, 'what does?');
    await complete(second, ben);
    await hangs;
    await complete(ada, second, ben);
    await shared(second, 2);
    await say(ada, 'I am back');
    await complete(ada, second, ben);
    await one();
  });

  it('keeps two persons in two tabs apart, a node each, and both go on when one signs out', async () => {
    await both();
    const key = generatePrivateKey();
    await createWallet({ context: ada.context, privateKey: key, rpcUrl: stack.rpcUrl, chainId: 31337, name: 'Another wallet', rdns: 'org.example.another' });
    await p.fund(stack, privateKeyToAccount(key).address);
    await p.addMember(ada, privateKeyToAccount(key).address);
    const eve = { ...await tab(ada), address: privateKeyToAccount(key).address };
    await p.open(eve, '/');
    const signOut = async (me) => {
      await on(me, 'account').first().click();
      await me.page.getByRole('button', { name: 'Disconnect' }).click();
      await on(me, 'connect-wallet').first().waitFor();
    };
    await eve.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    await signOut(eve);
    await on(eve, 'connect-wallet').first().click();
    await on(eve, 'wallet-option').filter({ hasText: 'Another wallet' }).click();
    await eve.page.waitForFunction((a) => document.querySelector('[data-testid=account]')?.dataset.person?.toLowerCase() === a, eve.address.toLowerCase());
    await eve.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    await p.enterRoom(eve, room);
    await say(eve, 'Eve is somebody else');
    await say(ada, 'and Ada is Ada');
    await say(second, 'in both tabs');
    await complete(ada, second, eve, ben);
    await counts('healthsync_connections', 3);
    await counts('healthsync_admissions', 3);
    const { held } = await locks(ada);
    const names = held.map(([name]) => name.toLowerCase()).sort();
    assert.deepEqual(names, [names[0], `${names[0]}/${eve.address.toLowerCase()}`]);
    await signOut(eve);
    await say(ben, 'Eve is gone');
    await complete(ada, second, ben);
    assert.equal(await p.message(eve, 'Eve is gone').count(), 0);
    await eve.page.close();
    // Ada's own tab with the node signs out; the other is still hers.
    await signOut(ada);
    await say(ben, 'and Ada, in one of her tabs');
    await p.message(second, 'and Ada, in one of her tabs').waitFor();
    await say(second, 'here in the other');
    await complete(second, ben);
    await one();
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});

describe('a browser without locks', { timeout: 120_000 }, () => {
  let stack, browser;
  before(async () => {
    stack = await startStack();
    browser = await p.launch();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('has a node in each tab', async () => {
    const me = await p.person(browser, stack);
    await me.context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));
    await p.connect(me);
    const room = await p.createRoom(me, 'No locks');
    const second = await tab(me);
    await p.enterRoom(second, room);
    await p.say(second, 'from the other tab');
    await p.stored(second, 'from the other tab');
    await p.message(me, 'from the other tab').waitFor();
    await until('connections', async () => await metric(stack, 'healthsync_connections') === 2 || 'not two');
    p.clean(me);
  });
});
