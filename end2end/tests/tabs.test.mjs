// Two tabs of one browser share one node: one connection at the relay, messages and images in both, and when the tab that
// runs the node closes, crashes or is hidden, the other goes on. Tabs of two persons stay apart.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import * as p from '../lib/people.mjs';
import { file, png } from '../lib/pictures.mjs';
import { startStack } from '../stack.mjs';
import { createWallet } from '../wallet/index.mjs';

const LOCK = /^healthsync-node\//;

describe('two tabs, one node', { timeout: 240_000 }, () => {
  let stack, browser, ada, second, ben, room;
  const said = [];
  const on = (me, name) => me.page.getByTestId(name);

  const metric = async (name) => {
    const text = await (await fetch(`${stack.url}/metrics`)).text();
    return Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))[1]);
  };
  /** Waits until the relay counts so many; what closes is noticed a moment later. */
  const counts = async (name, wanted) => {
    for (const until = Date.now() + 60_000; ;) {
      const now = await metric(name);
      if (now === wanted) return;
      assert.ok(Date.now() < until, `${name} is ${now}, not ${wanted}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  };
  /** The names of the browser's locks, and of those that are waited for. */
  const locks = (me) => me.page.evaluate(async () => {
    const { held, pending } = await navigator.locks.query();
    return { held: held.map((lock) => lock.name), pending: pending.map((lock) => lock.name) };
  });
  const tab = async (of) => {
    const me = { ...of, page: await of.context.newPage() };
    me.page.on('pageerror', (error) => me.errors.push(String(error)));
    return me;
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
  /** The renderer ends without a word, as when the machine runs out of memory. */
  const crash = async (me) => {
    const session = await me.context.newCDPSession(me.page);
    const crashed = me.page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {});
    await crashed;
    await me.page.close();
    me.errors.splice(0, Infinity, ...me.errors.filter((error) => error !== 'the page crashed'));
  };
  /** What a page sees when another tab is shown in its place: in a headless browser all tabs are visible. */
  const show = (me, visible) => me.page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
    Object.defineProperty(document, 'hidden', { value: state === 'hidden', configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, visible ? 'visible' : 'hidden');
  const online = (me) => p.transport(me);

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack, { direct: false })]);
    for (const me of [ada, ben]) await p.connect(me);
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
    await p.transport(second);
    for (let i = 0; i < 3; i++) {
      await say(ada, `first tab ${i}`);
      await say(second, `second tab ${i}`);
      await say(ben, `ben ${i}`);
    }
    await complete(ada, second, ben);
    await counts('healthsync_connections', 2);
    await counts('healthsync_admissions', 2);
    const { held, pending } = await locks(second);
    assert.equal(held.filter((name) => LOCK.test(name)).length, 1);
    assert.equal(pending.filter((name) => LOCK.test(name)).length, 1);
  });

  it('opens in both tabs what others share, and shares from the tab without the node', async () => {
    await p.share(ben, 'From Ben', [file('ben.png', png({ seed: 3 }))]);
    for (const me of [ada, second]) {
      await on(me, 'case').filter({ hasText: 'From Ben' }).first().waitFor();
      await p.unlock(me);
      assert.equal((await p.picture(me)).width, 256);
    }
    await p.share(second, 'From the second tab', [file('second.png', png({ seed: 4, width: 300 }))]);
    await p.openCase(ben, 'From the second tab');
    await p.unlock(ben);
    assert.equal((await p.picture(ben)).width, 300);
  });

  it('keeps the room joined for the tab that stays, and leaves it after the last', async () => {
    await p.open(second, '/rooms');
    await counts('healthsync_admissions', 2);
    await say(ben, 'only the first tab is in the room');
    await p.message(ada, 'only the first tab is in the room').waitFor();
    await p.enterRoom(second, room);
    await p.open(ada, '/rooms');
    await say(ben, 'only the second tab is in the room');
    await p.message(second, 'only the second tab is in the room').waitFor();
    await counts('healthsync_admissions', 2);
    await p.open(second, '/rooms');
    await counts('healthsync_admissions', 1);
    for (const me of [ada, second]) await p.enterRoom(me, room);
    await complete(ada, second, ben);
  });

  it('goes on in the other tab when the tab with the node closes', async () => {
    // Whichever of the two has it: after one of them is opened anew, it is the other.
    await second.page.close();
    second = await tab(ada);
    await p.enterRoom(second, room);
    await online(second);
    await ada.page.close();
    await say(second, 'the first tab is closed');
    await say(ben, 'still there?');
    await complete(second, ben);
    await counts('healthsync_connections', 2);
    const { held, pending } = await locks(second);
    assert.equal(held.filter((name) => LOCK.test(name)).length, 1);
    assert.equal(pending.filter((name) => LOCK.test(name)).length, 0);
  });

  it('goes on when the tab with the node crashes in the middle of sending', async () => {
    ada = await tab(second);
    await p.enterRoom(ada, room);
    await online(ada);
    await say(second, 'before the crash');
    await complete(ada, second, ben);
    said.push('from the guest while it crashes');
    await Promise.all([p.say(ada, 'from the guest while it crashes'), crash(second)]);
    await say(ben, 'anybody?');
    await say(ada, 'after the crash');
    await complete(ada, ben);
    await counts('healthsync_connections', 2);
    await counts('healthsync_admissions', 2);
  });

  it('moves the node from a hidden tab to the one that is shown', async () => {
    second = await tab(ada);
    await p.enterRoom(second, room);
    await online(second);
    await show(second, false);
    const holder = async () => {
      const query = await second.page.evaluate(() => navigator.locks.query());
      return query.held.find((lock) => lock.name.startsWith('healthsync-node/')).clientId;
    };
    const before = await holder();
    await show(ada, false);
    assert.equal(await holder(), before, 'no tab is shown, so it stays');
    await show(second, true);
    for (const until = Date.now() + 30_000; (await holder()) === before;) {
      assert.ok(Date.now() < until, 'the node stayed in the hidden tab');
      await new Promise((done) => setTimeout(done, 50));
    }
    await say(second, 'shown now');
    await say(ben, 'good');
    await complete(ada, second, ben);
    await counts('healthsync_connections', 2);
    await show(ada, true);
    await complete(ada, second, ben);
  });

  it('keeps two persons in two tabs apart: a node each', async () => {
    const key = generatePrivateKey();
    await createWallet({ context: ada.context, privateKey: key, rpcUrl: stack.rpcUrl, chainId: 31337, name: 'Another wallet', rdns: 'org.example.another' });
    const eve = { ...ada, page: await ada.context.newPage(), address: privateKeyToAccount(key).address };
    await p.fund(stack, eve.address);
    await p.addMember(ada, eve.address);
    await second.page.close();
    await p.open(eve, '/rooms');
    await eve.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    await on(eve, 'account').first().click();
    await eve.page.getByRole('button', { name: 'Disconnect' }).click();
    await on(eve, 'connect-wallet').first().click();
    await on(eve, 'wallet-option').filter({ hasText: 'Another wallet' }).click();
    await eve.page.waitForFunction((a) => document.querySelector('[data-testid=account]')?.dataset.person?.toLowerCase() === a, eve.address.toLowerCase());
    await eve.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    await p.enterRoom(eve, room);
    await say(eve, 'Eve is somebody else');
    await say(ada, 'and Ada is Ada');
    await complete(ada, eve, ben);
    await counts('healthsync_connections', 3);
    await counts('healthsync_admissions', 3);
    await eve.page.close();
    await counts('healthsync_connections', 2);
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
    const other = { ...me, page: await me.context.newPage() };
    await p.enterRoom(other, room);
    await p.say(other, 'from the other tab');
    await p.stored(other, 'from the other tab');
    await p.message(me, 'from the other tab').waitFor();
    const text = await (await fetch(`${stack.url}/metrics`)).text();
    assert.match(text, /^healthsync_connections 2$/m);
    p.clean(me);
  });
});
