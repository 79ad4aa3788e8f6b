// The room on the registry, by the people panel: several at once, moderators, handing over, leaving, archiving; and a
// wallet that says no.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey } from 'viem/accounts';
import { accessible, fits, shot } from '../lib/access.mjs';
import { dropAll, replace, withoutBlocks } from '../lib/pending.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

describe('a room on the registry', { timeout: 300_000 }, () => {
  const key = generatePrivateKey();
  let stack, browser, ada, ben, eve, room;
  const row = p.member;
  const on = (me, name) => me.page.getByTestId(name);
  const role = (me, who, text) => row(me, who.address).filter({ hasText: text }).waitFor();
  /** Opens what an owner can do with a member. */
  const manage = async (me, who) => {
    const acts = row(me, who.address).locator('details');
    if (!(await acts.evaluate((e) => e.open))) await acts.locator('summary').click();
  };
  const expand = async (me, summary) => {
    const open = await on(me, summary).evaluate((e) => e.parentElement.open);
    if (!open) await on(me, summary).click();
  };
  const look = async (me, name) => {
    await accessible(me.page);
    await fits(me.page);
    await shot(me.page, `registry-${name}`);
  };

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben, eve] = await Promise.all([
      p.person(browser, stack, { key }),
      p.person(browser, stack, { direct: false }),
      p.person(browser, stack, { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }),
    ]);
    for (const me of [ada, ben, eve]) await p.connect(me);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('says what a room costs and what of it is public for ever, before the wallet is asked', async () => {
    await p.open(ada, '/rooms/new');
    const said = ada.page.locator('form').filter({ hasText: 'Public for ever: who is in the room' });
    const price = said.getByTestId('price').filter({ hasText: /about 0\.\d+ ETH/ });
    await price.waitFor();
    const empty = await price.innerText();
    await ada.page.locator('#room-members').fill(`${ben.address}\n${eve.address}`);
    await said.getByTestId('price').filter({ hasNotText: empty }).waitFor();
    const amount = (text) => Number(text.match(/0\.\d+/)[0]);
    assert.ok(amount(await price.innerText()) > amount(empty), 'two more people cost more');
    room = await p.createRoom(ada, 'Who owns this');
    await on(ada, 'member-add-address').fill(ben.address);
    const adding = ada.page.locator('.member-form').filter({ hasText: 'Public for ever: that these addresses' });
    await adding.getByTestId('price').filter({ hasText: /about 0\.\d+ ETH/ }).waitFor();
    await on(ada, 'member-add-address').fill('');
    await expand(ada, 'room-archive-open');
    await ada.page.getByText(/One transaction, about 0\.\d+ ETH, public for ever/).waitFor();
    await on(ada, 'room-archive-open').click();
  });

  it('says that a request was rejected in the wallet, keeps what was typed, and adds several people at once', async () => {
    ada.wallet.autoApprove = false;
    const both = `${ben.address} ${eve.address}`;
    await on(ada, 'member-add-address').fill(both);
    await on(ada, 'member-add').click();
    await on(ada, 'member-adding').nth(1).filter({ hasText: /wallet/ }).waitFor();
    await on(ada, 'stop-waiting').click();
    await on(ada, 'error').filter({ hasText: /no longer waits for the wallet/ }).waitFor();
    await on(ada, 'member-adding').first().waitFor({ state: 'detached' });
    await ada.wallet.reject('eth_sendTransaction');
    await on(ada, 'error').filter({ hasText: /not added/ }).waitFor();
    assert.equal(await on(ada, 'member-add-address').inputValue(), both);
    assert.equal(await on(ada, 'member').count(), 1);
    ada.wallet.autoApprove = true;
    await on(ada, 'member-add').click();
    await row(ada, ben.address).waitFor();
    await row(ada, eve.address).waitFor();
    await on(ada, 'member-adding').first().waitFor({ state: 'detached' });
    assert.equal(await on(ada, 'member-add-address').inputValue(), '');
    await p.enterRoom(ben, room);
    await p.open(eve, room);
    await eve.page.locator('.bottom-nav a[href="#vote"]').click();
    await row(eve, eve.address).waitFor();
    await p.say(ada, 'Welcome, both of you.');
    await p.message(ben, 'Welcome').waitFor();
  });

  it('names a moderator, who can then remove people, and takes it back; a rejection is said at the person', async () => {
    await manage(ada, ben);
    ada.wallet.autoApprove = false;
    await row(ada, ben.address).getByTestId('member-moderator').click();
    await row(ada, ben.address).filter({ hasText: 'waits for the wallet' }).waitFor();
    await ada.wallet.reject('eth_sendTransaction');
    await row(ada, ben.address).filter({ hasText: 'The role was not changed.' }).waitFor();
    ada.wallet.autoApprove = true;
    await manage(ada, ben);
    await row(ada, ben.address).getByTestId('member-moderator').click();
    for (const me of [ada, ben]) await role(me, ben, /moderator,/);
    await row(ben, eve.address).getByTestId('member-remove').waitFor();
    await look(ada, 'owner-1440');
    await manage(ada, ben);
    await row(ada, ben.address).getByTestId('member-moderator').click();
    for (const me of [ada, ben]) await role(me, ben, /member,/);
    await row(ben, eve.address).getByTestId('member-remove').waitFor({ state: 'detached' });
  });

  it('can stop waiting for the wallet; what is confirmed there afterwards still happens, and is shown', async () => {
    await manage(ada, ben);
    ada.wallet.autoApprove = false;
    await row(ada, ben.address).getByTestId('member-moderator').click();
    await row(ada, ben.address).getByTestId('stop-waiting').click();
    await row(ada, ben.address).filter({ hasText: /no longer waits for the wallet.*still happens on the chain/ }).waitFor();
    await manage(ada, ben);
    await row(ada, ben.address).getByTestId('member-moderator').waitFor();
    await ada.wallet.approve('eth_sendTransaction');
    ada.wallet.autoApprove = true;
    for (const me of [ada, ben]) await role(me, ben, /moderator,/);
    await row(ada, ben.address).getByText('no longer waits').waitFor({ state: 'detached' });
    await manage(ada, ben);
    await row(ada, ben.address).getByTestId('member-moderator').click();
    for (const me of [ada, ben]) await role(me, ben, /member,/);
  });

  it('says when the chain has dropped a transaction, and is not misled when the wallet has replaced it', async () => {
    await withoutBlocks(stack, async () => {
      await row(ada, eve.address).getByTestId('member-remove').click();
      await row(ada, eve.address).filter({ hasText: 'on its way' }).waitFor();
      await dropAll(stack);
      await row(ada, eve.address).filter({ hasText: /not removed.*dropped/ }).waitFor();
    });
    await manage(ada, ben);
    let first;
    await withoutBlocks(stack, async () => {
      await row(ada, ben.address).getByTestId('member-moderator').click();
      await row(ada, ben.address).filter({ hasText: 'on its way' }).waitFor();
      first = await replace(stack, key);
    });
    await role(ada, ben, /moderator,/);
    await row(ada, ben.address).getByText('on its way').waitFor({ state: 'detached' });
    assert.equal(await p.rpc(stack.rpcUrl, 'eth_getTransactionReceipt', [first]), null);
    await manage(ada, ben);
    await ada.page.getByText(/Each one transaction, about 0\.\d+ ETH, public for ever/).first().waitFor();
    await row(ada, ben.address).getByTestId('member-moderator').click();
    await role(ada, ben, /member,/);
  });

  it('has the server forget the room after a time, when its owner says so, without a transaction', async () => {
    const sent = () => ada.wallet.log.filter((method) => method === 'eth_sendTransaction').length;
    const before = sent();
    const now = (me, text) => on(me, 'room-kept-now').filter({ hasText: text }).waitFor();
    for (const me of [ada, ben]) {
      await on(me, 'room-kept').locator('summary').click();
      await now(me, 'with no end');
    }
    assert.equal(await on(ben, 'room-keep').count(), 0, 'the choice is the owner\'s');
    await on(ada, 'room-keep').selectOption({ label: 'a year after the last word' });
    for (const me of [ada, ben]) await now(me, 'a year after the last word');
    await look(ada, 'kept-1440');
    await ada.page.reload();
    await p.live(ada);
    await on(ada, 'room-kept').locator('summary').click();
    const chosen = (days) => ada.page.waitForFunction((days) => document.querySelector('[data-testid=room-keep]')?.value === days, days);
    await chosen('365');
    // Once more: what is shown first is now what the first visit has kept.
    await ada.page.reload();
    await p.live(ada);
    await on(ada, 'room-kept').locator('summary').click();
    await chosen('365');
    // What the server has not taken goes back to what holds.
    await ada.page.route('**/keep_room*', (route) => route.abort());
    await on(ada, 'room-keep').selectOption({ label: '30 days after the last word' });
    await on(ada, 'toast').filter({ hasText: 'How long the room is kept was not changed' }).waitFor();
    await chosen('365');
    await ada.page.unroute('**/keep_room*');
    await on(ada, 'room-keep').selectOption({ label: 'Never' });
    for (const me of [ada, ben]) await now(me, 'with no end');
    assert.equal(sent(), before);
  });

  it('hands the room over in two steps: offered, withdrawn, offered again, taken', async () => {
    await manage(ada, ben);
    await row(ada, ben.address).getByTestId('member-offer').click();
    await on(ben, 'ownership-offer').waitFor();
    await role(ada, ben, 'offered the room');
    assert.equal(await on(eve, 'ownership-offer').count(), 0);
    await manage(ada, ben);
    await on(ada, 'offer-withdraw').click();
    await on(ben, 'ownership-offer').waitFor({ state: 'detached' });
    await manage(ada, ben);
    await row(ada, ben.address).getByTestId('member-offer').click();
    await on(ben, 'ownership-offer').waitFor();
    ben.wallet.autoApprove = false;
    await on(ben, 'ownership-accept').click();
    await on(ben, 'room-act').filter({ hasText: 'waits for the wallet' }).waitFor();
    await look(ben, 'offer-1440');
    await ben.wallet.reject('eth_sendTransaction');
    await ben.page.locator('[data-testid=room-act][data-state=failed]').filter({ hasText: 'You did not take over the room.' }).waitFor();
    ben.wallet.autoApprove = true;
    await on(ben, 'ownership-accept').click();
    for (const me of [ada, ben]) {
      await role(me, ben, /owner,/);
      await role(me, ada, /moderator,/);
    }
    await on(ben, 'room-act').waitFor({ state: 'detached' });
  });

  it('leaves: the page and the list say so, the others see it, and the key changes', async () => {
    await expand(eve, 'room-leave-open');
    await look(eve, 'leave-390');
    // Also for a moment it must not read as if somebody had removed her.
    await eve.page.evaluate(() => {
      const look = () => { window.wronged ||= /took this address off/.test(document.body.innerText); };
      new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    await on(eve, 'room-leave').click();
    await on(eve, 'room-left').waitFor();
    assert.ok(!await eve.page.evaluate(() => window.wronged));
    await look(eve, 'left-390');
    await row(ben, eve.address).waitFor({ state: 'detached', timeout: 60_000 });
    await on(ben, 'key-changed').first().waitFor({ timeout: 60_000 });
    await p.open(eve, '/rooms');
    await eve.page.locator('[data-testid=room-card][data-standing=left]').filter({ hasText: 'You left' }).waitFor();
    await look(eve, 'list-left-390');
    await p.open(eve, room);
    await on(eve, 'room-left').waitFor();
    assert.equal(await on(eve, 'message').count(), 0);
  });

  it('archives for good: no changes of people any more, reading and writing go on, the list says so', async () => {
    await p.open(ben, room);
    await expand(ben, 'room-archive-open');
    await on(ben, 'room-archive').click();
    for (const me of [ada, ben]) {
      await on(me, 'room-archived').waitFor();
      await on(me, 'archived-badge').waitFor();
      assert.equal(await on(me, 'member-add').count(), 0);
      assert.equal(await on(me, 'member-remove').count(), 0);
      assert.equal(await on(me, 'room-leave-open').count(), 0);
    }
    await p.say(ada, 'Said after archiving.');
    await p.message(ben, 'Said after archiving.').waitFor();
    await look(ben, 'archived-1440');
    await p.open(ben, '/rooms');
    await ben.page.locator('[data-testid=room-card][data-standing=archived]').filter({ hasText: 'Who owns this' }).waitFor();
    await look(ben, 'list-archived-1440');
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben, eve));
});
