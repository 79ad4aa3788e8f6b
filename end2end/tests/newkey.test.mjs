// New keys for a case's images, with the five key nodes as five processes: ada shared it, ben opened it, ada gives it a new
// key. What ben has open stays; the old content ids give him nothing any more, not even at a node that was away.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { ct } from '../lib/dicom.mjs';
import { stage } from '../lib/drawing.mjs';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { savedBy } from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

const NODES = [1, 2, 3, 4, 5];

describe('a new key for a case', { timeout: 600_000 }, () => {
  let stack, browser, ada, ben, cleo, room;
  const key = generatePrivateKey();
  const at = (me, name) => me.page.getByTestId(name);

  const saved = (work) => savedBy(ada, /\/api\/fileAccessConditions\/\d$/, work);
  /** Whether node `n` gives its share of `cid` to ben's wallet. */
  const gives = async (n, cid) => {
    const account = privateKeyToAccount(key);
    const base = stack.keyNode(n).url;
    const [{ message }] = await (await fetch(`${base}/api/message/${account.address}`)).json();
    const answer = await fetch(`${base}/api/retrieveSharedKey/${n}`, {
      method: 'POST', headers: { authorization: `Bearer ${await account.signMessage({ message })}`, 'content-type': 'application/json' },
      body: JSON.stringify({ address: account.address, cid, dynamicData: {} }),
    });
    const { payload, code } = await answer.json();
    return payload ? 'share' : code;
  };
  const refused = async (n, cid) => {
    while ((await gives(n, cid)) !== 'denied') await pause(100);
  };
  const readers = (me) => at(me, 'readers').locator('summary').click();

  before(async () => {
    stack = await startStack({ keyNodes: 5 });
    // WebGL2 without a graphics processor.
    browser = await p.launch(['--enable-unsafe-swiftshader']);
    [ada, ben, cleo] = await Promise.all([p.person(browser, stack), p.person(browser, stack, { key }), p.person(browser, stack)]);
    for (const me of [ada, ben, cleo]) await p.connect(me);
    room = await p.createRoom(ada, 'Second thoughts');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  let old, renewed;

  it('names who had the old one, and what is open stays open', async () => {
    old = await saved(() => p.share(ada, 'Two films', [file('a.png', png({ seed: 1 })), file('b.png', png({ seed: 2 }))]));
    assert.equal(old.length, 2);
    await p.unlock(ben);
    for (const n of NODES) assert.equal(await gives(n, old[0]), 'share');
    assert.equal(await at(ben, 'new-key').count(), 0, 'only who shared it');

    // Opened and closed at once: opening it after that asks all the same.
    await at(ada, 'readers').locator('summary').dblclick();
    await Promise.all([ada.page.waitForRequest(/\/api\/keyLog\//), readers(ada)]);
    await at(ada, 'reader').waitFor();
    assert.equal(await at(ada, 'earlier-readers').count(), 0);
    renewed = await saved(async () => {
      await at(ada, 'new-key').click();
      await at(ada, 'earlier-readers').waitFor();
    });
    assert.match(await at(ada, 'earlier-readers').innerText(), new RegExp(ben.address.slice(2, 6), 'i'));
    assert.equal(renewed.length, 2);
    assert.deepEqual(renewed.filter((cid) => old.includes(cid)), []);

    await at(ben, 'renewed').waitFor();
    assert.equal(await at(ben, 'unlock').count(), 0);
    await p.picture(ben);
  });

  it('gives nobody but its owner the old key', async () => {
    for (const cid of old) await Promise.all(NODES.map((n) => refused(n, cid)));
  });

  it('opens with the new one, for who was there and for who comes later', async () => {
    await p.addMember(ada, cleo.address);
    for (const me of [ben, cleo]) {
      const asked = new Set();
      me.page.on('request', (request) => {
        if (request.url().includes('/api/key_shares')) asked.add(request.postData());
      });
      await p.enterRoom(me, room);
      await p.unlock(me);
      const bodies = [...asked].join(' ');
      for (const cid of renewed) assert.ok(bodies.includes(cid), bodies);
      for (const cid of old) assert.ok(!bodies.includes(cid));
    }
  });

  it('tells a node that was away when the room is opened again', async () => {
    const [cid] = await saved(() => p.share(ada, 'One is away', [file('c.png', png({ seed: 3 }))]));
    await stack.killKeyNode(5);
    await readers(ada);
    await at(ada, 'new-key').click();
    await at(ada, 'toast').filter({ hasText: /did not confirm that the old key/ }).first().waitFor();
    await Promise.all([1, 2, 3, 4].map((n) => refused(n, cid)));
    await stack.startKeyNode(5);
    assert.equal(await gives(5, cid), 'share', 'it has not heard of it yet');
    await p.enterRoom(ada, room);
    await refused(5, cid);
  });

  it('encrypts every piece of a series again', async () => {
    await ada.page.getByTestId('attach').setInputFiles(ct({ slices: 3 }));
    await ada.page.locator('.thumb').filter({ hasText: /CT, 3 images.*removed/s }).waitFor({ timeout: 120_000 });
    await at(ada, 'composer').fill('Three slices');
    const stored = [];
    ada.page.on('response', async (response) => {
      if (response.url().includes('/api/v0/add')) stored.push((await response.json())[0].Hash);
    });
    const [list] = await saved(async () => {
      await at(ada, 'send').click();
      await stage(ada).waitFor({ timeout: 120_000 });
    });
    const first = stored.splice(0);
    assert.ok(first.includes(list) && first.length >= 2, `${first}`);
    await readers(ada);
    await at(ada, 'new-key').click();
    await at(ada, 'renewed').waitFor({ timeout: 60_000 });
    assert.equal(stored.length, first.length, 'all pieces and the list');
    assert.deepEqual(stored.filter((cid) => first.includes(cid)), []);
    await Promise.all(NODES.map((n) => refused(n, list)));
    await p.enterRoom(ben, room);
    await p.openCase(ben, 'Three slices');
    await at(ben, 'unlock').click();
    await stage(ben).locator('canvas').waitFor();
    await ben.page.locator('[data-scrub-text]').filter({ hasText: /\/ 3$/ }).waitFor();
  });

  it('says why a case that was proposed as a token keeps its key', async () => {
    await p.share(ada, 'For sale', [file('d.png', png({ seed: 4 }))]);
    await at(ada, 'mint').first().click();
    await at(ada, 'mint-propose').click();
    await at(ada, 'mint-proposal').waitFor();
    await readers(ada);
    await ada.page.getByText('was proposed as a token').waitFor();
    assert.equal(await at(ada, 'new-key').count(), 0);
  });

  it('nothing broke on the way', () => p.clean(ada, ben, cleo));
});
