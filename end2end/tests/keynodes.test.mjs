// The whole job with five key nodes as five processes, each with its own folder, key and chain connection: all there, two
// killed, two frozen, two lying, three killed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { kavach } from '../lighthouse/client.mjs';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

describe('five key nodes in five processes', { timeout: 300_000 }, () => {
  let stack, browser, ada, ben, room;
  const key = generatePrivateKey();

  /** Ada shares a picture; gives its content id and the nodes that her page saved shares at. */
  const share = async (caption, seed) => {
    await p.enterRoom(ada, room);
    const saved = new Set();
    let cid;
    const watch = (request) => {
      const save = request.url().match(/\/api\/fileAccessConditions\/(\d)$/);
      if (!save || request.method() !== 'POST') return;
      saved.add(Number(save[1]));
      cid = request.postDataJSON().cid;
    };
    ada.page.on('request', watch);
    await p.share(ada, caption, [file(`${seed}.png`, png({ seed }))]);
    ada.page.off('request', watch);
    return { saved, cid };
  };
  /** Has node `n` give wrong shares of this key from now on. */
  const lies = async (n, cid) => {
    const owner = privateKeyToAccount(key);
    const base = stack.keyNode(n).url;
    const [{ message }] = await (await fetch(`${base}/api/message/${owner.address}`)).json();
    const { keyShards: [payload] } = await kavach.generate();
    const saved = await fetch(`${base}/api/setSharedKey/${n}`, {
      method: 'POST', headers: { authorization: `Bearer ${await owner.signMessage({ message })}` },
      body: JSON.stringify({ address: owner.address, cid, payload }),
    });
    assert.equal(saved.status, 200, await saved.text());
  };
  /** Waits until node `n` holds a share under this content id. */
  const holds = async (n, cid) => {
    while (!(await fetch(`${stack.keyNode(n).url}/api/fileAccessConditions/get/${cid}`)).ok) await pause(100);
  };
  /** Ben's look at a case that he has not opened: a new page, so that every node that fails is named anew. */
  const look = async (caption) => {
    await p.enterRoom(ben, room);
    await p.openCase(ben, caption);
  };
  const name = (n) => `127.0.0.1:${stack.keyNode(n).port}`;
  const toast = (me, text) => me.page.getByTestId('toast').filter({ hasText: text }).first().waitFor();

  before(async () => {
    stack = await startStack({ keyNodes: 5 });
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack, { key }), p.person(browser, stack)]);
    await p.connect(ada);
    await p.connect(ben);
    room = await p.createRoom(ada, 'Five institutions');
    await p.addMember(ada, ben.address);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('shares and opens, and says nothing of one operator', async () => {
    const { saved } = await share('All five', 1);
    assert.deepEqual([...saved].sort(), [1, 2, 3, 4, 5]);
    await look('All five');
    assert.equal(await ben.page.getByText(/five key nodes are run by/).filter({ visible: true }).count(), 0);
    await p.unlock(ben);
    const told = await (await fetch(`${stack.url}/api/bootstrap`)).json();
    assert.deepEqual(told.key_nodes.map((node) => node.embedded), [false, false, false, false, false]);
    for (const n of [1, 2, 3, 4, 5]) {
      const metrics = await (await fetch(`${stack.keyNode(n).url}/metrics`)).text();
      assert.match(metrics, new RegExp(`healthsync_key_shares\\{node="${n}"\\} 2`));
      const other = await fetch(`${stack.keyNode(n).url}/api/retrieveSharedKey/${(n % 5) + 1}`, { method: 'POST', body: '{}' });
      assert.equal((await other.json()).code, 'no_such_node');
    }
  });

  it('opens when two nodes send wrong shares, and names them', async () => {
    const { cid } = await share('Two lie', 2);
    for (const n of [2, 4]) await lies(n, cid);
    await look('Two lie');
    await p.unlock(ben);
    const notice = ben.page.getByText('a key share was wrong').first();
    await notice.waitFor();
    for (const n of [2, 4]) await ben.page.getByText(name(n)).first().waitFor();
  });

  it('opens when two nodes lie and a third is late, by waiting for it', async () => {
    stack.freezeKeyNode(5);
    try {
      await look('Two lie');
      const first = ben.page.waitForResponse((answer) => answer.url().includes('/api/key_shares'));
      await ben.page.getByTestId('unlock').click();
      await (await first).finished();
    } finally {
      stack.thawKeyNode(5);
    }
    await p.picture(ben);
    await ben.page.getByText('a key share was wrong').first().waitFor();
  });

  it('opens from its token as well when two nodes lie and a third is late', async () => {
    const at = (name) => ada.page.getByTestId(name);
    await p.enterRoom(ada, room);
    await p.openCase(ada, 'Two lie');
    await at('mint').first().click();
    await at('mint-person').first().waitFor();
    await at('mint-propose').click();
    await ada.page.locator('[data-testid=mint-proposal][data-state=ready]').waitFor();
    await at('mint-send').click();
    await ada.page.locator('[data-testid=mint-proposal][data-state=minted]').waitFor();
    await p.open(ada, await at('token-link').first().getAttribute('href'));
    // First the key of the conversation, then the image's.
    let asked = 0;
    const second = ada.page.waitForResponse((answer) => answer.url().includes('/api/key_shares') && ++asked === 2);
    stack.freezeKeyNode(5);
    try {
      await at('open-token').click();
      await (await second).finished();
    } finally {
      stack.thawKeyNode(5);
    }
    await ada.page.locator('img[data-testid=image]').waitFor();
  });

  it('opens the room when one of the only three shares of its key is wrong, once another is there', async () => {
    const saves = ada.page.waitForRequest((request) => /\/api\/fileAccessConditions\/\d$/.test(request.url()) && request.method() === 'POST');
    const other = await p.createRoom(ada, 'One lies about the room');
    await lies(2, (await saves).postDataJSON().cid);
    await p.addMember(ada, ben.address);
    await p.say(ada, 'Read by who is let in');
    for (const n of [1, 5]) stack.freezeKeyNode(n);
    try {
      const first = ben.page.waitForResponse((answer) => answer.url().includes('/api/key_shares'));
      await p.open(ben, other);
      await (await first).finished();
    } finally {
      for (const n of [1, 5]) stack.thawKeyNode(n);
    }
    await ben.page.getByTestId('message').filter({ hasText: 'Read by who is let in' }).waitFor();
  });

  it('opens with two nodes frozen in the middle, and names them', async () => {
    await share('Two frozen', 3);
    for (const n of [1, 5]) stack.freezeKeyNode(n);
    try {
      await look('Two frozen');
      await Promise.all([p.unlock(ben), toast(ben, name(5))]);
    } finally {
      for (const n of [1, 5]) stack.thawKeyNode(n);
    }
  });

  it('opens with two nodes killed, shares meanwhile, and saves what they missed when they are back', async () => {
    for (const n of [2, 3]) await stack.killKeyNode(n);
    const { cid } = await share('Two killed', 4);
    await look('Two killed');
    // A toast goes by itself, so it is looked for from the start.
    await Promise.all([p.unlock(ben), toast(ben, name(3))]);
    for (const n of [2, 3]) await stack.startKeyNode(n);
    await p.enterRoom(ada, room);
    for (const n of [2, 3]) await holds(n, cid);
  });

  it('says clearly that three nodes are not enough to be without, and opens when one is back', async () => {
    await share('Three killed', 5);
    for (const n of [1, 2, 3]) await stack.killKeyNode(n);
    await look('Three killed');
    await ben.page.getByTestId('unlock').click();
    await ben.page.getByTestId('error').filter({ hasText: /2 of 3 needed key shares/ }).first().waitFor();
    await ben.page.getByText(name(2)).first().waitFor();
    await stack.startKeyNode(3);
    await p.unlock(ben);
    for (const n of [1, 2]) await stack.startKeyNode(n);
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
