// A room over time: people leave and the key changes, things are said about what was said, tabs and servers crash.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as p from '../lib/people.mjs';
import * as keys from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

describe('a removed member reads nothing new', { timeout: 240_000 }, () => {
  let stack, browser, ada, ben, eve, room, id;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben, eve] = await Promise.all([p.person(browser, stack), p.person(browser, stack, { direct: false }), p.person(browser, stack)]);
    for (const me of [ada, ben, eve]) await p.connect(me);
    room = await p.createRoom(ada, 'Who can read');
    id = room.split('/').pop();
    await p.addMember(ada, ben.address);
    await p.addMember(ada, eve.address);
    await p.enterRoom(ben, room);
    await p.enterRoom(eve, room);
    await p.say(ada, 'for the three of us');
    await p.message(eve, 'for the three of us').waitFor();
    await p.message(ben, 'for the three of us').waitFor();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('changes the key by itself when somebody is removed who is online, and says who could read before', async () => {
    const old = await keys.masters(eve, id);
    assert.deepEqual([...old.keys()], [0]);
    await p.member(ada, eve.address).getByTestId('member-remove').click();
    await eve.page.getByTestId('error').filter({ hasText: /list/i }).first().waitFor();
    await p.say(ada, 'only for ben');
    await p.message(ben, 'only for ben').waitFor();
    await p.stored(ada, 'only for ben');
    for (const me of [ada, ben]) {
      await me.page.getByTestId('key-changed').filter({ hasText: /3 people could read/ }).waitFor();
    }
    assert.equal(await eve.page.getByText('only for ben').count(), 0);

    // Even with the sealed event in her hands, and with every key that she ever had.
    const sealed = await keys.envelopes(ben, id);
    const now = await keys.masters(ben, id);
    assert.equal(now.size, 2);
    const news = [];
    for (const envelope of sealed) {
      const opened = await keys.openWith(now.get(envelope.epoch), envelope);
      if (opened?.text.includes('only for ben')) news.push(envelope);
      else if (opened?.text.includes('for the three of us')) {
        assert.ok(await keys.openWith(old.get(0), envelope), 'what was said before opens with the old key');
      }
    }
    assert.equal(news.length, 1);
    assert.notEqual(news[0].epoch, 0);
    assert.equal(await keys.openWith(old.get(0), news[0]), null);
    assert.equal((await keys.masters(eve, id)).size, 0, 'her browser has forgotten the keys');
  });

  it('seals anew what was written offline before the removal was known', async () => {
    const dan = await p.person(browser, stack);
    await p.connect(dan);
    await p.addMember(ada, dan.address);
    await p.enterRoom(dan, room);
    await p.message(dan, 'only for ben').waitFor();
    const known = await keys.masters(dan, id);
    await ben.context.setOffline(true);
    await ben.page.locator('[data-testid=network-status][data-state=offline]').waitFor();
    await p.say(ben, 'written before I knew');
    await p.member(ada, dan.address).getByTestId('member-remove').click();
    await dan.page.getByTestId('error').filter({ hasText: /list/i }).first().waitFor();
    await ada.page.getByTestId('key-changed').nth(1).waitFor();
    await ben.context.setOffline(false);
    await p.message(ada, 'written before I knew').waitFor();
    await p.stored(ben, 'written before I knew');
    const now = await keys.masters(ada, id);
    const texts = [];
    for (const envelope of await keys.envelopes(ada, id)) {
      const opened = await keys.openWith(now.get(envelope.epoch), envelope);
      if (!opened?.text.includes('written before I knew')) continue;
      texts.push(opened.text);
      assert.ok(!known.has(envelope.epoch), 'sealed with a key that dan never had');
    }
    assert.equal(texts.length, 1);
    p.clean(dan);
    await dan.context.close();
  });

  it('makes one key that everybody uses when the one who removed is gone at once', async () => {
    const fay = await p.person(browser, stack);
    await p.connect(fay);
    await p.addMember(ada, fay.address);
    await p.enterRoom(fay, room);
    const before = (await keys.masters(ben, id)).size;
    await p.member(ada, fay.address).getByTestId('member-remove').click();
    await p.member(ben, fay.address).waitFor({ state: 'detached' });
    await ada.page.goto('about:blank');
    await ben.page.getByTestId('key-changed').nth(2).waitFor();
    await p.say(ben, 'after the third key');
    await p.stored(ben, 'after the third key');
    assert.ok((await keys.masters(ben, id)).size > before);
    await p.enterRoom(ada, room);
    await p.message(ada, 'after the third key').waitFor();
    p.clean(fay);
    await fay.context.close();
  });

  it('asks for a new key once, however much is said under it meanwhile', async () => {
    const gus = await p.person(browser, stack);
    await p.connect(gus);
    await p.addMember(ada, gus.address);
    await p.member(ben, gus.address).waitFor();
    let [asked, answer] = [0];
    const held = new Promise((go) => { answer = go; });
    await ben.page.route('**/api/key_shares*', async (route) => {
      asked += 1;
      await held;
      await route.continue();
    });
    const texts = Array.from({ length: 5 }, (_, i) => `under the new key, ${i}`);
    await p.member(ada, gus.address).getByTestId('member-remove').click();
    await p.member(ada, gus.address).waitFor({ state: 'detached' });
    for (const text of texts) {
      await p.say(ada, text);
      await p.stored(ada, text);
    }
    assert.equal(await p.message(ben, texts[0]).count(), 0, 'its key is still coming');
    answer();
    for (const text of texts) await p.message(ben, text).waitFor();
    await ben.page.unroute('**/api/key_shares*');
    assert.equal(asked, 1);
    p.clean(gus);
    await gus.context.close();
  });

  it('gives somebody who joins later every key, and the whole history', async () => {
    const gus = await p.person(browser, stack);
    await p.connect(gus);
    await p.addMember(ada, gus.address);
    await p.enterRoom(gus, room);
    for (const text of ['for the three of us', 'only for ben', 'written before I knew', 'after the third key']) {
      await p.message(gus, text).waitFor();
    }
    p.clean(gus);
    await gus.context.close();
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben, eve));
});
