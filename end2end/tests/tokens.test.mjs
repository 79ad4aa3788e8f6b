// Conversations as tokens, in real Chromium: three people consent, one of them declines at first, a wallet says no, a
// transaction is dropped; then a sale on a marketplace, and the key nodes follow the token until it is withdrawn.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey } from 'viem/accounts';
import { accessible, fits, shot } from '../lib/access.mjs';
import { openMarket } from '../lib/market.mjs';
import { file, png } from '../lib/pictures.mjs';
import { dropAll, replace, withoutBlocks } from '../lib/pending.mjs';
import * as p from '../lib/people.mjs';
import { kept, write } from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

const CAPTION = 'Cavity, left upper lobe 5521';
const REMARK = 'Air crescent, I think 5521';
const QUESTION = 'Aspergilloma 5521?';
const PRICE = 10n ** 18n;

const at = (me, id) => me.page.getByTestId(id);
const proposal = (me, state) => me.page.locator(`[data-testid=mint-proposal][data-state=${state}]`);
const tokenCase = (me, state) => me.page.locator(`[data-testid=token-case][data-state=${state}]`);

async function propose(me) {
  await at(me, 'mint').click();
  await at(me, 'mint-person').first().waitFor();
  await at(me, 'mint-propose').click();
}

describe('a case becomes a token, is sold, and is withdrawn', { timeout: 420_000 }, () => {
  let stack, browser, ada, ben, cleo, dan, keys, market, room, token, path;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    keys = { ada: generatePrivateKey(), ben: generatePrivateKey(), cleo: generatePrivateKey(), dan: generatePrivateKey() };
    [ada, ben, cleo, dan] = await Promise.all(Object.values(keys).map((key) => p.person(browser, stack, { key })));
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('three people discuss a case', async () => {
    for (const me of [ada, ben, cleo]) await p.connect(me);
    room = await p.createRoom(ada, 'Thorax 5521');
    for (const me of [ben, cleo]) await p.addMember(ada, me.address);
    await p.share(ada, CAPTION, [file('chest.png', png({ seed: 5 }))]);
    for (const me of [ben, cleo]) await p.enterRoom(me, room);
    await p.say(ben, REMARK);
    await p.ask(ada, QUESTION, ['Yes', 'No']);
    await p.option(cleo, 'Yes').waitFor();
    await p.vote(cleo, 'Yes');
    await p.countIs(ada, 'Yes', 1);
    await p.message(ada, REMARK).waitFor();
  });

  it('shows what would be public, who contributed and with which shares, before anything is signed', async () => {
    await at(ada, 'mint').click();
    await at(ada, 'mint-person').nth(2).waitFor();
    assert.equal(await at(ada, 'mint-person').count(), 3);
    const dialog = ada.page.locator('dialog.dialog--mint');
    assert.match(await dialog.innerText(), /Public for ever/i);
    await dialog.getByText('100 % together').waitFor();
    assert.equal(await at(ben, 'mint').count(), 0, 'only who shared a case can mint it');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
  });

  it('proposes what was chosen in the form, also after the discussion was taken out and in again', async () => {
    const row = (who) => at(ada, 'mint-person').filter({ has: ada.page.locator(`label[title="${who.address}"]`) });
    const takesPart = (who) => row(who).getByRole('checkbox');
    const share = (who) => row(who).getByRole('textbox');
    const dialog = ada.page.locator('dialog.dialog--mint');
    const discussion = dialog.getByRole('checkbox', { name: /With the discussion/ });
    await at(ada, 'mint').click();
    await at(ada, 'mint-person').nth(2).waitFor();
    await takesPart(cleo).uncheck();
    // What was said beside the case is only Ben's.
    await discussion.uncheck();
    await row(ben).waitFor({ state: 'detached' });
    assert.equal(await takesPart(cleo).isChecked(), false, 'who was unticked stays so');
    assert.equal(await share(ada).inputValue(), '100');
    await discussion.check();
    await row(ben).waitFor();
    assert.equal(await takesPart(cleo).isChecked(), false);
    await takesPart(cleo).check();
    await takesPart(cleo).uncheck();
    await share(ada).fill('70');
    await share(ben).fill('30');
    await dialog.getByText('100 % together').waitFor();
    ada.wallet.autoApprove = false;
    await at(ada, 'mint-propose').click();
    const asked = await ada.wallet.pending('eth_signTypedData_v4');
    const terms = JSON.parse(asked.params[1]).message;
    const shares = terms.contributors.map((person, i) => [person.toLowerCase(), Number(terms.shares[i])]);
    assert.deepEqual(Object.fromEntries(shares), { [ada.address.toLowerCase()]: 7_000, [ben.address.toLowerCase()]: 3_000 });
    await ada.wallet.reject('eth_signTypedData_v4');
    await at(ada, 'error').filter({ hasText: /declined it/ }).waitFor();
    ada.wallet.autoApprove = true;
    await dialog.getByRole('button', { name: 'Cancel' }).click();
  });

  it('keeps everything as it was when the wallet says no', async () => {
    ada.wallet.autoApprove = false;
    await propose(ada);
    await ada.wallet.reject('eth_signTypedData_v4');
    await at(ada, 'error').filter({ hasText: /declined it/ }).waitFor();
    assert.equal(await at(ben, 'mint-proposal').count(), 0);
    await at(ada, 'mint-propose').click();
    const asked = await ada.wallet.pending('eth_signTypedData_v4');
    const terms = JSON.parse(asked.params[1]);
    assert.equal(terms.primaryType, 'MintTerms');
    assert.equal(terms.domain.verifyingContract.toLowerCase(), stack.token.toLowerCase());
    assert.equal(terms.message.contributors.length, 3);
    await ada.wallet.approve('eth_signTypedData_v4');
    ada.wallet.autoApprove = true;
    await proposal(ben, 'asking').waitFor();
  });

  it('is not minted when one declines, whoever else has signed', async () => {
    await at(ben, 'mint-sign').click();
    await ben.page.locator('[data-testid=mint-consent][data-answer=signed]').nth(1).waitFor();
    await at(cleo, 'mint-decline').click();
    for (const me of [ada, ben, cleo]) await proposal(me, 'declined').waitFor();
    assert.equal(await at(ada, 'mint-send').count(), 0);
  });

  it('is ready when all three have signed a new proposal', async () => {
    await propose(ada);
    await proposal(cleo, 'asking').waitFor();
    ben.wallet.autoApprove = false;
    await at(ben, 'mint-sign').click();
    await ben.wallet.reject('eth_signTypedData_v4');
    await at(ben, 'error').filter({ hasText: /You have not signed/ }).waitFor();
    ben.wallet.autoApprove = true;
    await at(ben, 'mint-sign').click();
    await at(cleo, 'mint-sign').click();
    for (const me of [ada, ben, cleo]) await proposal(me, 'ready').waitFor();
  });

  it('says when the wallet declines the transaction, and when the chain drops it', async () => {
    ada.wallet.autoApprove = false;
    await at(ada, 'mint-send').click();
    await at(ada, 'stop-waiting').click();
    await at(ada, 'error').filter({ hasText: /no longer waits for the wallet.*still happens on the chain/ }).waitFor();
    await at(ada, 'mint-send').waitFor();
    await ada.wallet.reject('eth_sendTransaction');
    await at(ada, 'error').filter({ hasText: /not minted.*declined/i }).waitFor();
    ada.wallet.autoApprove = true;
    await withoutBlocks(stack, async () => {
      await at(ada, 'mint-send').click();
      await at(ada, 'mint-wait').filter({ hasText: /on its way/ }).waitFor();
      await dropAll(stack);
      await at(ada, 'error').filter({ hasText: /dropped/ }).waitFor();
    });
  });

  it('is minted by a transaction that the wallet has replaced, while the page was away, and everybody in the room sees the token', async () => {
    let first;
    await withoutBlocks(stack, async () => {
      await at(ada, 'mint-send').click();
      await at(ada, 'mint-wait').filter({ hasText: /on its way/ }).waitFor();
      await ada.page.goto('about:blank');
      first = await replace(stack, keys.ada);
    });
    assert.equal(await p.rpc(stack.rpcUrl, 'eth_getTransactionReceipt', [first]), null);
    // Nobody else can know of it: the room is told when she comes back, without another transaction.
    await proposal(ben, 'ready').waitFor();
    await p.open(ada, room);
    for (const me of [ada, ben, cleo]) await proposal(me, 'minted').waitFor();
    path = await at(ben, 'token-link').first().getAttribute('href');
    token = path.split('/').at(-1);
    market = await openMarket(stack, keys.dan);
    assert.equal(await market.ownerOf(token), ada.address);
  });

  it('has a page that says who owns it, before any script runs', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(stack.url + path);
    const text = await page.locator('main').innerText();
    assert.match(await page.getByTestId('token-owner').innerText(), new RegExp(ada.address.slice(2, 6), 'i'));
    assert.equal(await page.getByTestId('token-contributor').count(), 3);
    assert.match(text, /7\.5 % of each resale/);
    for (const secret of [CAPTION, REMARK, QUESTION]) assert.ok(!(await page.content()).includes(secret));
    const missing = await page.goto(`${stack.url}/tokens/0x${'ab'.repeat(32)}`);
    assert.equal(missing.status(), 404);
    await context.close();
  });

  it('opens for its owner, with everything that was said', async () => {
    await p.open(ada, path);
    await accessible(ada.page);
    await at(ada, 'open-token').click();
    await tokenCase(ada, 'open').waitFor();
    await ada.page.locator('img[data-testid=image]').waitFor();
    await p.message(ada, REMARK).waitFor();
    await at(ada, 'poll').filter({ hasText: QUESTION }).waitFor();
    for (const width of [1440, 390]) {
      await ada.page.setViewportSize({ width, height: 900 });
      await accessible(ada.page);
      await fits(ada.page);
      await shot(ada.page, `token-${width}`, { fullPage: true });
    }
  });

  it('is listed among what one holds, readably on a phone', async () => {
    await p.open(ada, '/tokens');
    await at(ada, 'token-card').waitFor();
    await accessible(ada.page);
    await fits(ada.page);
    await shot(ada.page, 'tokens-390');
    await ada.page.setViewportSize({ width: 1440, height: 900 });
  });

  it('is closed, with all that was in it, when its owner disconnects the wallet', async () => {
    await p.open(ada, path);
    await at(ada, 'open-token').click();
    await p.message(ada, REMARK).waitFor();
    await at(ada, 'account').first().click();
    await ada.page.getByRole('button', { name: 'Disconnect wallet' }).click();
    await at(ada, 'connect-wallet').waitFor();
    await tokenCase(ada, 'open').waitFor({ state: 'detached' });
    const text = await ada.page.locator('body').innerText();
    for (const secret of [CAPTION, REMARK, QUESTION]) assert.ok(!text.includes(secret), secret);
    assert.equal(await ada.page.locator('img[data-testid=image]').count(), 0);
    await p.connect(ada);
  });

  it('does not open for somebody who does not hold it', async () => {
    await p.connect(dan);
    await p.open(dan, path);
    await at(dan, 'open-token').click();
    await tokenCase(dan, 'denied').waitFor();
  });

  it('opens for who has bought it, and no more for who has sold it', async () => {
    await market.list(keys.ada, token, PRICE);
    await market.buy(keys.dan, token, PRICE);
    await at(dan, 'token-owner').filter({ hasText: 'you' }).waitFor();
    await p.open(dan, '/tokens');
    await at(dan, 'token-card').click();
    await at(dan, 'open-token').click();
    await tokenCase(dan, 'open').waitFor();
    await dan.page.locator('img[data-testid=image]').waitFor();
    await p.message(dan, REMARK).waitFor();
    await p.open(ada, path);
    await at(ada, 'open-token').click();
    await tokenCase(ada, 'denied').waitFor();
  });

  it('pays each contributor their share of the royalty', async () => {
    const [splitter, royalty] = await market.royalty(token, PRICE);
    assert.equal(royalty, PRICE * 75n / 1000n);
    assert.equal(await market.balance(splitter), royalty);
    await p.open(ben, path);
    const before = await market.balance(ben.address);
    await at(ben, 'token-claim').click();
    await at(ben, 'token-contributor').filter({ hasText: /0\.0225 ETH\s*0\s*$/ }).waitFor();
    await at(ben, 'token-claim').waitFor({ state: 'detached' });
    assert.equal(await market.balance(splitter), royalty * 70n / 100n);
    assert.ok(await market.balance(ben.address) > before);
  });

  it('opens for nobody once two of three have withdrawn it', async () => {
    const withdraw = async (me) => {
      await at(me, 'token-withdraw').click();
      await at(me, 'token-withdraw-sure').click();
    };
    await withdraw(ben);
    await ben.page.getByText('1 asked for it so far').waitFor();
    await tokenCase(dan, 'open').waitFor();
    await p.open(cleo, path);
    await withdraw(cleo);
    // Without a reload, also for who had it open.
    for (const me of [ben, cleo, dan]) await tokenCase(me, 'withdrawn').waitFor();

    // The page would not even ask any more; the key nodes refuse by themselves.
    await dan.page.route('**/api/token_facts*', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace('"withdrawn":true', '"withdrawn":false') });
    });
    await at(dan, 'open-token').click();
    await tokenCase(dan, 'denied').waitFor();
    p.clean(ada, ben, cleo, dan);
  });
});

describe('two proposals at once', { timeout: 240_000 }, () => {
  const CASES = ['Left lung 5524', 'Right lung 5524'];
  let stack, browser;
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('answering one does not end the wait of the wallet for the other', async () => {
    stack = await startStack();
    browser = await p.launch();
    const [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    for (const me of [ada, ben]) await p.connect(me);
    const room = await p.createRoom(ada, 'Two lungs 5524');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
    for (const [seed, caption] of CASES.entries()) {
      await p.share(ada, caption, [file('chest.png', png({ seed: seed + 8 }))]);
      await ben.page.locator('.case-tabs').getByRole('link', { name: caption }).waitFor();
      await p.say(ben, `About the ${caption}`);
      await p.message(ada, `About the ${caption}`).waitFor();
      await propose(ada);
      await proposal(ada, 'asking').waitFor();
    }
    const answer = async (caption, id) => {
      await p.openCase(ben, caption);
      await proposal(ben, 'asking').waitFor();
      await at(ben, id).click();
    };
    ben.wallet.autoApprove = false;
    await answer(CASES[0], 'mint-sign');
    await at(ben, 'mint-wait').waitFor();
    await answer(CASES[1], 'mint-decline');
    await proposal(ben, 'declined').waitFor();
    await ben.wallet.approve('eth_signTypedData_v4');
    await p.openCase(ben, CASES[0]);
    await proposal(ben, 'ready').waitFor();
    p.clean(ada, ben);
  });
});

describe('on a chain with the id of Calibration', { timeout: 240_000 }, () => {
  let stack, browser;
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('one person mints and opens a case, confirmed after the page has left the room, with receipts that come late', async () => {
    stack = await startStack({ chainId: 314159, anvilArgs: ['--block-time', '3'] });
    browser = await p.launch();
    const ada = await p.person(browser, stack, { chainId: 314159 });
    ada.context.setDefaultTimeout(60_000);
    await p.connect(ada);
    await p.createRoom(ada, 'Calibration 5522');
    await p.share(ada, CAPTION, [file('chest.png', png({ seed: 6 }))]);
    await propose(ada);
    await proposal(ada, 'ready').waitFor();
    ada.wallet.autoApprove = false;
    await at(ada, 'mint-send').click();
    await at(ada, 'stop-waiting').waitFor();
    // Within the page: a new one could not hear the wallet's answer.
    await ada.page.getByRole('link', { name: 'Rooms', exact: true }).first().click();
    await at(ada, 'room-card').filter({ hasText: 'Calibration 5522' }).waitFor();
    await ada.wallet.approve('eth_sendTransaction');
    ada.wallet.autoApprove = true;
    await at(ada, 'room-card').filter({ hasText: 'Calibration 5522' }).click();
    await proposal(ada, 'minted').waitFor();
    await at(ada, 'token-link').click();
    await at(ada, 'open-token').click();
    await tokenCase(ada, 'open').waitFor();
    p.clean(ada);
  });
});

describe('a photograph that is another file than its receipt speaks of', { timeout: 240_000 }, () => {
  const REFUSED = /SHA-256 is another than its receipt's\. It is not shown/;
  let stack, browser, ada, ben;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('is refused in the room', async () => {
    for (const me of [ada, ben]) await p.connect(me);
    const room = await p.createRoom(ada, 'Receipts 5523');
    await p.addMember(ada, ben.address);
    // The page that shares it says what the browser kept of it, and that was changed meanwhile.
    await at(ada, 'attach').setInputFiles([file('chest.png', png({ seed: 7 }))]);
    let attached;
    while (!attached) [attached] = await kept(ada, 'attachments', `${ada.address.toLowerCase()}/`);
    const [key, entry] = [attached[0], JSON.parse(attached[1])];
    assert.match(entry.receipt.sha256, /^[0-9a-f]{64}$/);
    entry.receipt.sha256 = entry.receipt.sha256.replace(/./g, (digit) => 'f0123456789abcde'[parseInt(digit, 16)]);
    await write(ada, 'attachments', key, JSON.stringify(entry));
    await ada.page.reload();
    await ada.page.locator('.thumb').filter({ hasText: 'chest.png' }).waitFor();
    await at(ada, 'composer').fill(CAPTION);
    await at(ada, 'send').click();
    await at(ada, 'case').filter({ hasText: CAPTION }).waitFor();

    await p.enterRoom(ben, room);
    await at(ben, 'unlock').click();
    await at(ben, 'error').filter({ hasText: REFUSED }).waitFor();
    assert.equal(await at(ben, 'image').count(), 0);
  });

  it('is refused on the page of the token, too', async () => {
    await propose(ada);
    await proposal(ada, 'ready').waitFor();
    await at(ada, 'mint-send').click();
    await proposal(ada, 'minted').waitFor();
    await at(ada, 'token-link').click();
    await at(ada, 'open-token').click();
    await tokenCase(ada, 'open').getByText(REFUSED).waitFor();
    assert.equal(await at(ada, 'image').count(), 0);
    p.clean(ada, ben);
  });
});
