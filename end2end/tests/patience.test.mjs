// What takes its time or never comes: a signature by somebody else, a wallet that does not answer, key nodes that take their
// share later. Each has its sentence, and nothing is lost.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey } from 'viem/accounts';
import { file, png } from '../lib/pictures.mjs';
import { withoutBlocks } from '../lib/pending.mjs';
import * as p from '../lib/people.mjs';
import { forget, kept } from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

describe('what comes late, from another, or never', { timeout: 240_000 }, () => {
  let stack, browser;
  const people = [];
  const someone = async (options) => {
    const me = await p.person(browser, stack, options);
    people.push(me);
    return me;
  };
  const dialog = (me, text) => me.page.getByRole('dialog').filter({ hasText: text }).waitFor();
  const session = (me, name) => me.page.locator(`[data-session=${name}]`).first().waitFor({ state: 'attached' });
  const choose = async (me) => {
    await p.open(me, '/rooms');
    await me.page.getByTestId('connect-wallet').first().click();
    await me.page.getByTestId('wallet-option').first().click();
  };

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('does not use a signature by another account, and says whose it is', async () => {
    const me = await someone({ autoApprove: false });
    await choose(me);
    await me.wallet.approve('eth_requestAccounts');
    await me.wallet.approveAs('eth_signTypedData_v4', generatePrivateKey());
    await dialog(me, /The wallet signed with 0x.{4,}, not with 0x.{4,}\. The signature is not used\./);
    await session(me, 'readonly');
    await me.page.getByRole('button', { name: /sign in the wallet/i }).first().click();
    await me.wallet.approve('eth_signTypedData_v4');
    await session(me, 'ready');
  });

  it('can stop waiting for a wallet that does not connect', async () => {
    const me = await someone({ autoApprove: false });
    await choose(me);
    await me.wallet.pending('eth_requestAccounts');
    await dialog(me, 'Waiting');
    await me.page.getByRole('button', { name: 'Cancel' }).click();
    await me.page.getByTestId('connect-wallet').first().waitFor();
    // The person finds the wallet's window an hour later: the page does not jump.
    await me.wallet.approve('eth_requestAccounts');
    await me.page.evaluate(() => new Promise((next) => setTimeout(next)));
    assert.equal(await me.page.getByTestId('account').count(), 0);
  });

  it('can stop waiting for a signature, and does not use it when it comes late', async () => {
    const me = await someone({ autoApprove: false });
    await choose(me);
    await me.wallet.approve('eth_requestAccounts');
    await me.wallet.pending('eth_signTypedData_v4');
    await dialog(me, 'Waiting');
    await me.page.getByRole('button', { name: 'Cancel' }).click();
    await session(me, 'readonly');
    await me.wallet.approve('eth_signTypedData_v4');
    await me.page.evaluate(() => new Promise((next) => setTimeout(next)));
    await session(me, 'readonly');
    await me.page.getByTestId('account').first().click();
    await me.page.locator('#wallet').getByText('A late signature is not used').waitFor();
  });

  it('lets one go elsewhere while a room is being made, and says when it is there', async () => {
    const me = await someone();
    await p.connect(me);
    const here = await p.createRoom(me, 'Where I am 5531');
    await withoutBlocks(stack, async () => {
      await p.open(me, '/rooms/new');
      await me.page.getByTestId('room-name').fill('Made meanwhile 5531');
      await me.page.getByTestId('create-room').click();
      await me.page.getByText('You can leave').waitFor();
      await me.page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Rooms', exact: true }).click();
      await me.page.getByTestId('room-card').filter({ hasText: 'Where I am 5531' }).click();
      await me.page.getByTestId('composer').waitFor();
      await me.page.getByTestId('composer').fill('I stay here');
    });
    await me.page.getByTestId('toast').filter({ hasText: 'The room “Made meanwhile 5531” was created. It is under Rooms.' }).waitFor();
    assert.equal(new URL(me.page.url()).pathname, here);
    assert.equal(await me.page.getByTestId('composer').inputValue(), 'I stay here');
    await p.open(me, '/rooms');
    await me.page.getByTestId('room-card').filter({ hasText: 'Made meanwhile 5531' }).waitFor();
  });

  it('shares with two key nodes away, says which, and brings them their share later', async () => {
    const [ada, ben] = [await someone(), await someone()];
    await p.connect(ada);
    await p.connect(ben);
    const room = await p.createRoom(ada, 'Late key nodes');
    await p.addMember(ada, ben.address);
    const away = /\/api\/fileAccessConditions\/[45]$/;
    await ada.page.route(away, (route) => route.abort());
    await p.share(ada, 'Shared while two were away', [file('late.png', png({ seed: 21 }))]);
    await ada.page.getByTestId('toast').filter({ hasText: 'did not take its key share yet. It is kept here and saved there later.' }).first().waitFor();
    await ada.page.unroute(away);
    const brought = Promise.all([4, 5].map((node) => ada.page.waitForResponse((answer) => answer.url().endsWith(`/api/fileAccessConditions/${node}`) && answer.ok())));
    await ada.page.reload();
    await brought;

    // Nodes 1 and 2 are away now, so that only the late ones can make up the three.
    await p.enterRoom(ben, room);
    await ben.page.route('**/api/key_shares*', async (route) => {
      const answer = await route.fetch();
      const nodes = await answer.json();
      for (const node of nodes.slice(0, 2)) node.result = { failed: { reason: 'connection refused' } };
      await route.fulfill({ response: answer, json: nodes });
    });
    await p.openCase(ben, 'Shared while two were away');
    await p.unlock(ben);
  });

  it('keeps what is sent before the room has opened, and gives it back above what was typed since', async () => {
    const [ada, ben] = [await someone(), await someone()];
    await p.connect(ada);
    await p.connect(ben);
    const room = await p.createRoom(ada, 'Slow to open');
    await p.addMember(ada, ben.address);
    const held = [];
    await ben.page.route('**/api/key_shares*', (route) => { held.push(route); });
    await p.open(ben, room);
    const field = ben.page.getByTestId('composer');
    await field.fill('First, too early');
    await field.press('Enter');
    await field.fill('Then more');
    const both = 'First, too early\n\nThen more';
    const draft = async () => (await kept(ben, 'drafts', `${ben.address.toLowerCase()}/`)).map(([, text]) => text).join();
    for (let text; (text = await draft()) !== both;) assert.ok(['', 'First, too early'].includes(text), text);
    await ben.page.getByTestId('toast').filter({ hasText: 'The room is not open yet' }).waitFor({ timeout: 40_000 });
    assert.equal(await field.inputValue(), both);
    await ben.page.unroute('**/api/key_shares*');
    await Promise.all(held.map((route) => route.abort().catch(() => {})));
    await p.enterRoom(ben, room);
    await ben.page.waitForFunction((text) => document.querySelector('[data-testid=composer]')?.value === text, both);
    await field.press('Enter');
    await ada.page.getByTestId('message').filter({ hasText: 'First, too early' }).filter({ hasText: 'Then more' }).waitFor();
  });

  it('gives a case the caption it had when it was sent, however long the room takes to open', async () => {
    const [ada, ben] = [await someone(), await someone()];
    for (const me of [ada, ben]) await p.connect(me);
    const room = await p.createRoom(ada, 'Slow to open, with an image');
    await p.addMember(ada, ben.address);
    let open;
    const opens = new Promise((told) => { open = told; });
    await ben.page.route('**/api/key_shares*', async (route) => { await opens; await route.continue(); });
    await p.open(ben, room);
    const field = ben.page.getByTestId('composer');
    await ben.page.getByTestId('attach').setInputFiles([file('early.png', png({ seed: 24 }))]);
    await field.fill('As it was sent');
    await field.press('Enter');
    await ben.page.waitForFunction(() => document.querySelector('[data-testid=composer]').readOnly);
    await field.press('x');
    assert.equal(await field.inputValue(), 'As it was sent');
    open();
    await ada.page.getByTestId('case').filter({ hasText: 'As it was sent' }).first().waitFor();
    await ben.page.waitForFunction(() => document.querySelector('[data-testid=composer]').value === '');
  });

  it('keeps what was written and attached before the wallet has said who is here', async () => {
    const ada = await someone();
    await p.connect(ada);
    const room = await p.createRoom(ada, 'The wallet is slow');
    const go = ada.wallet.hold();
    await p.open(ada, room);
    const field = ada.page.getByTestId('composer');
    await field.fill('Before I am known');
    await ada.page.getByTestId('attach').setInputFiles([file('before.png', png({ seed: 25 }))]);
    const attached = ada.page.locator('.thumb').filter({ hasText: 'before.png' }).filter({ hasText: /, (clean|\d+ removed)$/ });
    await attached.waitFor();
    // The page waits no longer, and the wallet answers after all.
    await field.waitFor({ state: 'detached' });
    go();
    const whole = async () => {
      await attached.waitFor();
      await ada.page.waitForFunction(() => document.querySelector('[data-testid=composer]')?.value === 'Before I am known');
      await ada.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    };
    await whole();
    for (const store of ['drafts', 'attachments']) while (!(await kept(ada, store, '')).length);
    await p.open(ada, room);
    await whole();
  });

  it('lists the rooms that this browser knows when the server says nothing', async () => {
    const ada = await someone();
    await p.connect(ada);
    await p.createRoom(ada, 'Known here 6642');
    await ada.page.route('**/api/rooms_of*', () => {});
    await p.open(ada, '/rooms');
    await ada.page.getByText('These are the rooms known to this browser.').waitFor();
    await ada.page.getByTestId('room-card').filter({ hasText: 'Known here 6642' }).waitFor();
  });

  it('shows a draft and attached images also when the network comes while they are being read', async () => {
    const ada = await someone();
    await p.connect(ada);
    const room = await p.createRoom(ada, 'Read twice');
    await ada.page.getByTestId('composer').fill('Half written');
    await ada.page.getByTestId('attach').setInputFiles([file('waits.png', png({ seed: 23 }))]);
    const attached = ada.page.locator('.thumb').filter({ hasText: 'waits.png' }).filter({ hasText: /, (clean|\d+ removed)$/ });
    await attached.waitFor();
    for (const store of ['drafts', 'attachments']) while (!(await kept(ada, store, '')).length);
    // Without the list of members the page asks for it before it reads, and has reached the relay by then.
    await p.open(ada, '/');
    await forget(ada, 'rooms', ada.address.toLowerCase());
    let go;
    const connected = new Promise((told) => { go = told; });
    await ada.page.route('**/api/room_facts*', async (route) => { await connected; await route.continue(); });
    await ada.page.addInitScript(() => {
      const read = IDBObjectStore.prototype.getAll;
      IDBObjectStore.prototype.getAll = function (...range) {
        if (this.name === 'outbox' && !window.blinked && location.pathname.startsWith('/rooms/0x')) {
          window.blinked = true;
          for (const name of ['offline', 'online']) window.dispatchEvent(new Event(name));
        }
        return read.apply(this, range);
      };
    });
    await p.open(ada, room);
    await p.transport(ada);
    go();
    await attached.waitFor();
    await ada.page.waitForFunction(() => document.querySelector('[data-testid=composer]')?.value === 'Half written');
    assert.equal(await ada.page.evaluate(() => window.blinked), true);
  });

  it('unlocks what is on screen while the rest of the room is still coming, and adds a member as soon as it is there', async () => {
    const key = generatePrivateKey();
    const [ada, ben, cleo, elsewhere] = [await someone({ key }), await someone(), await someone(), await someone({ key })];
    for (const me of [ada, ben, cleo, elsewhere]) await p.connect(me);
    const room = await p.createRoom(ada, 'Still coming');
    await p.addMember(ada, ben.address);
    const held = [];
    let holds;
    // Before it opens the room for good the page asks once more who is in it: there it hangs, with all on screen that it has.
    const hold = async (me) => {
      holds = true;
      const hangs = new Promise((told) => me.page.route('**/api/room_facts*', async (route) => {
        if (!holds || await me.page.getByTestId('member').count() === 0) return route.continue();
        held.push(route);
        told();
      }));
      await p.open(me, room);
      await hangs;
    };
    const release = () => {
      holds = false;
      return Promise.all(held.splice(0).map((route) => route.continue()));
    };
    await p.share(ada, 'Shown at once', [file('once.png', png({ seed: 22 }))]);
    await p.enterRoom(ben, room);
    await ben.page.getByTestId('unlock').waitFor();
    // As after a reload that came before the browser had noted who is in the room.
    await p.open(ben, '/');
    await forget(ben, 'rooms', ben.address.toLowerCase());
    await hold(ben);
    await p.unlock(ben);
    await release();

    await hold(elsewhere);
    await elsewhere.page.getByTestId('member-add-address').fill(cleo.address);
    await elsewhere.page.getByTestId('member-add').click();
    await release();
    await p.member(ada, cleo.address).waitFor();
  });

  it('broke nothing behind the scenes', () => p.clean(...people));
});
