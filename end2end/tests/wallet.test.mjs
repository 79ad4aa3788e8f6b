// Wallets as they are: announced or not, declined, on the wrong chain, without funds, changed under the page.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

describe('wallets', { timeout: 240_000 }, () => {
  let stack, browser;
  const people = [];
  const someone = async (options) => {
    const me = await p.person(browser, stack, options);
    people.push(me);
    return me;
  };
  const choose = async (me, name) => {
    await p.open(me, '/rooms');
    await me.page.getByTestId('connect-wallet').first().click();
    await me.page.getByTestId('wallet-option').filter({ hasText: name }).click();
  };

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('offers the demo wallet, marked as such, when there is no other, and it does the whole job', async () => {
    const me = await someone({ wallet: 'demo' });
    await p.connect(me);
    const room = await p.createRoom(me, 'A room by the demo wallet');
    await p.addMember(me, privateKeyToAccount(generatePrivateKey()).address);
    await p.say(me, 'hello from the demo wallet');
    await p.stored(me, 'hello from the demo wallet');
    assert.ok(room);
  });

  it('keeps the demo wallet and the device across a reload', async () => {
    const me = people[0];
    const before = await me.page.getByTestId('account').first().getAttribute('data-person');
    await me.page.reload();
    await p.live(me);
    await me.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    assert.equal(await me.page.getByTestId('account').first().getAttribute('data-person'), before);
  });

  it('says quietly that the wallet declined to connect, and can try again', async () => {
    const me = await someone({ autoApprove: false });
    await choose(me, /metamask/i);
    await me.wallet.pending('eth_requestAccounts');
    await me.wallet.reject('eth_requestAccounts');
    await me.page.getByTestId('connect-wallet').first().waitFor();
  });

  it('stays readable when the delegation is declined, and signs on the second try', async () => {
    const me = await someone({ autoApprove: false });
    await choose(me, /metamask/i);
    await me.wallet.pending('eth_requestAccounts');
    await me.wallet.approve('eth_requestAccounts');
    await me.wallet.pending('eth_signTypedData_v4');
    await me.wallet.reject('eth_signTypedData_v4');
    await me.page.locator('[data-session=readonly]').first().waitFor({ state: 'attached' });
    await me.page.getByRole('button', { name: /sign in the wallet/i }).first().click();
    await me.wallet.pending('eth_signTypedData_v4');
    await me.wallet.approve('eth_signTypedData_v4');
    await me.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
  });

  it('adds and switches to our chain when the wallet lacks it', async () => {
    const me = await someone({ chainId: 1 });
    await p.connect(me);
    assert.ok(me.wallet.log.includes('wallet_addEthereumChain') || me.wallet.log.includes('wallet_switchEthereumChain'));
    await p.createRoom(me, 'Made on the right chain');
  });

  it('keeps whoever connects while the wallet of last time is still being looked for', async () => {
    const me = await someone();
    await me.page.clock.install();
    await p.connect(me);
    // Its extension is gone since.
    await me.page.addInitScript(() => addEventListener('eip6963:announceProvider', (event) => event.stopImmediatePropagation(), true));
    await me.page.reload();
    await p.live(me);
    await me.page.getByTestId('connect-wallet').first().click();
    await me.page.getByTestId('wallet-option').filter({ hasText: 'Demo wallet' }).click();
    const ready = me.page.locator('[data-session=ready]').first();
    await ready.waitFor({ state: 'attached' });
    assert.notEqual((await ready.getAttribute('data-person')).toLowerCase(), me.address.toLowerCase());
    // Longer than it is looked for: nothing tells when that ends. Then what the page does about it.
    await me.page.clock.runFor(10_000);
    await me.page.evaluate(() => new Promise((next) => setTimeout(next)));
    assert.equal(await ready.count(), 1);
  });

  it('keeps what went wrong on screen until it is dismissed, and lets a note go by itself', async () => {
    const me = await someone({ wallet: 'demo' });
    await me.page.clock.install();
    await p.connect(me);
    const copy = async (works) => {
      await me.page.evaluate((works) => {
        navigator.clipboard.writeText = () => (works ? Promise.resolve() : Promise.reject(new Error('not here')));
      }, works);
      await me.page.getByTestId('account').first().click();
      await me.page.getByRole('button', { name: 'Copy address' }).click();
    };
    const toast = (text) => me.page.getByTestId('toast').filter({ hasText: text });
    const refused = toast('does not let this page copy');
    await copy(false);
    await refused.waitFor();
    await copy(false);
    await copy(true);
    await toast('Copied.').waitFor();
    await me.page.clock.fastForward(60_000);
    await toast('Copied.').waitFor({ state: 'detached' });
    assert.equal(await refused.count(), 1);
    await refused.getByRole('button', { name: 'Dismiss' }).click();
    await refused.waitFor({ state: 'detached' });
  });

  it('follows the account that is chosen in the wallet', async () => {
    const me = await someone();
    await p.connect(me);
    const other = generatePrivateKey();
    await p.fund(stack, privateKeyToAccount(other).address);
    await me.wallet.setAccount(other);
    const address = privateKeyToAccount(other).address;
    await me.page.waitForFunction((a) => document.querySelector('[data-testid=account]')?.dataset.person?.toLowerCase() === a, address.toLowerCase());
  });

  it('comes back when the wallet is unlocked, also after a reload while it was locked', async () => {
    const me = await someone();
    await p.connect(me);
    const out = () => me.page.getByTestId('connect-wallet').first().waitFor();
    const back = () => me.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    me.wallet.lock();
    await out();
    me.wallet.unlock();
    await back();
    me.wallet.lock();
    await out();
    await p.open(me, '/rooms');
    await out();
    me.wallet.unlock();
    await back();
    assert.equal(me.wallet.log.filter((method) => method === 'eth_signTypedData_v4').length, 1, 'nothing is signed again');
  });

  it('follows a disconnect in the wallet', async () => {
    const me = people.at(-1);
    await me.wallet.disconnect();
    await me.page.getByTestId('connect-wallet').first().waitFor();
  });

  it('says that a wallet without funds cannot pay, and keeps the form', async () => {
    const me = await someone({ funded: false });
    await p.connect(me);
    await p.open(me, '/rooms/new');
    await me.page.getByTestId('room-name').fill('A room nobody can pay for');
    await me.page.getByTestId('create-room').click();
    await me.page.getByTestId('error').first().waitFor();
    assert.equal(await me.page.getByTestId('room-name').inputValue(), 'A room nobody can pay for');
  });

  it('keeps the form when the transaction is declined', async () => {
    const me = await someone({ autoApprove: false });
    await choose(me, /metamask/i);
    for (const method of ['eth_requestAccounts', 'eth_signTypedData_v4']) {
      await me.wallet.pending(method);
      await me.wallet.approve(method);
    }
    await me.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
    await p.open(me, '/rooms/new');
    await me.page.getByTestId('room-name').fill('Declined once');
    await me.page.getByTestId('create-room').click();
    await me.wallet.pending('eth_sendTransaction');
    await me.wallet.reject('eth_sendTransaction');
    await me.page.getByTestId('error').first().waitFor();
    assert.equal(await me.page.getByTestId('room-name').inputValue(), 'Declined once');
    await me.page.getByTestId('create-room').click();
    await me.wallet.pending('eth_sendTransaction');
    await me.wallet.approve('eth_sendTransaction');
    await me.page.waitForURL(/\/rooms\/0x/);
  });

  it('broke nothing behind the scenes', () => p.clean(...people));
});
