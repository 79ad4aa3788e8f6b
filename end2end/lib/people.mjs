// People in browsers: one context each, with a wallet made of MetaMask's libraries or with the demo wallet,
// and the things a person does in HealthSync. Every wait is for something a person would see.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { createWallet } from '../wallet/index.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const launch = (args = []) =>
  chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: [...FLAGS, ...args] });

/** A browser with a profile on disk, as people have them: each person that is given it has one of her own below `folder`. */
export const profiles = (folder) => {
  const contexts = [];
  return {
    newContext: async (options) => {
      const own = `${folder}/${contexts.length}`;
      contexts.push(null);
      const at = contexts.length - 1;
      return (contexts[at] = await chromium.launchPersistentContext(own, { executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS, ...options }));
    },
    close: () => Promise.all(contexts.map((context) => context?.close())),
  };
};

/** Gives an account money on the local chain. */
export async function fund(stack, address, ether = 10n) {
  await rpc(stack.rpcUrl, 'anvil_setBalance', [address, '0x' + (ether * 10n ** 18n).toString(16)]);
}

export async function rpc(url, method, params = []) {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) });
  const body = await answer.json();
  if (body.error) throw new Error(`${method}: ${body.error.message}`);
  return body.result;
}

/**
 * A person with a browser context of her own. `wallet: 'extension'` (default) injects the test wallet,
 * `'demo'` none, so that the page offers its own. `direct: false` is a browser without WebRTC, as hospitals have them: all
 * goes through the server. Errors of the page are collected and checked by `done`.
 */
export async function person(browser, stack, { wallet = 'extension', key = generatePrivateKey(), funded = true, autoApprove = true, viewport = { width: 1440, height: 900 }, chainId = 31337, colorScheme = 'light', direct = true } = {}) {
  const context = await browser.newContext({ viewport, colorScheme, acceptDownloads: true });
  // Reached only by what never comes; a loaded machine may take long.
  context.setDefaultTimeout(45_000);
  const account = privateKeyToAccount(key);
  const me = { context, stack, address: account.address, errors: [], violations: [], wallet: null };
  if (wallet === 'extension') {
    me.wallet = await createWallet({ context, privateKey: key, rpcUrl: stack.rpcUrl, chainId, autoApprove });
    if (funded) await fund(stack, account.address);
  }
  await context.exposeFunction('__violation', (v) => me.violations.push(v));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => window.__violation(`${e.violatedDirective} ${e.blockedURI}`));
  });
  if (!direct) await context.addInitScript(() => delete window.RTCPeerConnection);
  me.page = await context.newPage();
  me.page.on('pageerror', (e) => me.errors.push(e.stack ?? String(e)));
  me.page.on('crash', () => me.errors.push('the page crashed'));
  return me;
}

const id = (me, name) => me.page.getByTestId(name);
const shown = (locator) => locator.first().waitFor({ state: 'visible' });

/** Opens a page and waits until it reacts to clicks. */
export async function open(me, path) {
  await me.page.goto(path.startsWith('http') ? path : me.stack.url + path);
  await live(me);
}

export const live = (me) => me.page.locator('html[data-live]').waitFor({ state: 'attached' });

export async function connect(me) {
  await open(me, '/rooms');
  await id(me, 'connect-wallet').first().click();
  const option = me.wallet ? id(me, 'wallet-option').first() : id(me, 'wallet-option').filter({ hasText: 'Demo wallet' });
  await option.click();
  await shown(id(me, 'account'));
  if (!me.wallet) {
    await me.page.waitForFunction(() => document.querySelector('[data-testid=account]')?.dataset.person);
    me.address = await id(me, 'account').first().getAttribute('data-person');
  }
  await me.page.locator('[data-session=ready]').first().waitFor({ state: 'attached' });
  return me;
}

/** Creates a room and ends on its page; returns the room's path. */
export async function createRoom(me, name) {
  await open(me, '/rooms/new');
  await id(me, 'room-name').fill(name);
  await id(me, 'create-room').click();
  await me.page.waitForURL(/\/rooms\/0x[0-9a-f]{64}$/);
  await shown(id(me, 'room-title').filter({ hasText: name }));
  return new URL(me.page.url()).pathname;
}

export async function enterRoom(me, path) {
  await open(me, path);
  await shown(id(me, 'composer'));
}

export async function addMember(me, address) {
  await id(me, 'member-add-address').fill(address);
  await id(me, 'member-add').click();
  await shown(member(me, address));
}

export const member = (me, address) => id(me, 'member').filter({ hasText: new RegExp(address, 'i') });

export async function say(me, text) {
  await id(me, 'composer').fill(text);
  await id(me, 'send').click();
  await shown(message(me, text));
}

export const message = (me, text) => id(me, 'message').filter({ hasText: text });

/** A message that the relay has stored. */
export const stored = (me, text) => me.page.locator('[data-testid=message][data-state=stored]').filter({ hasText: text }).first().waitFor();

export async function share(me, caption, files) {
  await id(me, 'attach').setInputFiles(files);
  await id(me, 'composer').fill(caption);
  await id(me, 'send').click();
  await shown(id(me, 'case').filter({ hasText: caption }));
  await shown(id(me, 'image'));
}

/** Brings a case to the front by its tab. */
export async function openCase(me, caption) {
  await me.page.locator('.case-tabs').getByRole('link', { name: caption }).click();
  await shown(me.page.getByRole('heading', { name: caption }));
}

export async function unlock(me) {
  await id(me, 'unlock').click();
  await shown(id(me, 'image'));
  await picture(me);
}

/** Waits until the picture is decoded; gives its size in pixels. */
export async function picture(me) {
  const img = me.page.locator('[data-testid=image] img').first();
  await img.waitFor({ state: 'visible' });
  return img.evaluate(async (e) => { await e.decode(); return { width: e.naturalWidth, height: e.naturalHeight, src: e.src }; });
}

export async function ask(me, question, options) {
  await id(me, 'poll-ask').first().click();
  await id(me, 'poll-question').last().fill(question);
  for (const [i, text] of options.entries()) {
    const field = id(me, 'poll-option-input').nth(i);
    if (i >= 2) await me.page.getByRole('button', { name: 'Add an option' }).last().click();
    await field.fill(text);
  }
  await id(me, 'poll-publish').click();
  await shown(id(me, 'poll').filter({ hasText: question }));
}

export const option = (me, text) => id(me, 'poll-option').filter({ hasText: text });

export async function vote(me, text) {
  await option(me, text).click();
  await id(me, 'cast-vote').click();
  await option(me, text).getByTestId('my-vote').waitFor({ state: 'visible' });
}

/** Waits until an option shows so many votes. */
export const countIs = (me, text, n) =>
  option(me, text).getByTestId('vote-count').filter({ hasText: new RegExp(`^\\s*${n}\\s*$`) }).first().waitFor();

export async function transport(me) {
  await me.page.waitForFunction(() => ['webrtc', 'websocket'].includes(document.querySelector('[data-testid=transport]')?.textContent.trim()));
  return (await id(me, 'transport').first().textContent()).trim();
}

/** Nothing broke behind the scenes: no page error, no policy violation. */
export function clean(...people) {
  for (const me of people) {
    assert.deepEqual(me.errors, [], 'page errors');
    assert.deepEqual(me.violations, [], 'content security policy violations');
  }
}
