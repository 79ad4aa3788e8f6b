// A page's first seconds and its last: what the server sends is taken over by the scripts without a break, and a page
// whose scripts are missing or have stopped says so.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import * as p from '../lib/people.mjs';
import { file, png } from '../lib/pictures.mjs';
import { startStack } from '../stack.mjs';

describe('the start and the end of a page', { timeout: 120_000 }, () => {
  let stack, browser, ada, folder;
  const bar = () => ada.page.locator('#stuck');

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    folder = await mkdtemp(path.join(tmpdir(), 'dropped-'));
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
    if (folder) await rm(folder, { recursive: true });
  });

  it('says so when its scripts cannot be loaded', async () => {
    for (const missing of ['**/healthsync.wasm', '**/split_runtime.wasm']) {
      ada = await p.person(browser, stack, { wallet: 'none' });
      await ada.page.route(missing, (route) => route.abort());
      await ada.page.goto(`${stack.url}/rooms`);
      await bar().filter({ hasText: 'could not be loaded' }).waitFor({ state: 'visible' });
      await ada.context.close();
    }
  });

  const broken = async (hint) => {
    const bar = ada.page.getByTestId('broken');
    await bar.filter({ hasText: hint }).waitFor();
    assert.equal(await ada.page.getByTestId('connect-wallet').isDisabled(), true);
    await ada.page.getByRole('button', { name: 'Choose a wallet' }).click();
    await ada.page.getByRole('dialog').getByTestId('error').filter({ hasText: hint }).waitFor();
    assert.equal(await ada.page.getByTestId('wallet-option').first().isVisible(), false);
    assert.equal(await ada.page.getByTestId('toast').count(), 0);
    await ada.page.keyboard.press('Escape');
    await bar.getByRole('link', { name: 'Reload' }).waitFor();
    p.clean(ada);
    await ada.context.close();
  };

  it('says so where the browser keeps nothing for it, and lets nobody sign in in vain', async () => {
    ada = await p.person(browser, stack, { wallet: 'none' });
    await ada.context.addInitScript(() => {
      IDBFactory.prototype.open = () => { throw new DOMException('The operation is insecure.', 'SecurityError'); };
    });
    await p.open(ada, '/rooms');
    await broken('with storage allowed for this site');
  });

  it('says so where the settings of the server cannot be used', async () => {
    ada = await p.person(browser, stack, { wallet: 'none' });
    await ada.page.route(`${stack.url}/rooms`, async (route) => {
      const response = await route.fetch();
      const page = await response.text();
      const body = page.replace(/(peer_id(?:&quot;|"):(?:&quot;|"))\w+/, '$1nobody');
      assert.notEqual(body, page);
      await route.fulfill({ response, body });
    });
    await p.open(ada, '/rooms');
    await broken('tell whoever runs this server');
  });

  it('keeps focus and what was typed before the scripts were there', async () => {
    ada = await p.person(browser, stack, { wallet: 'none' });
    let arrive;
    const late = new Promise((resolve) => { arrive = resolve; });
    await ada.page.route('**/healthsync.wasm', async (route) => { await late; await route.continue(); });
    await ada.page.goto(`${stack.url}/rooms/new`, { waitUntil: 'commit' });
    const name = ada.page.getByTestId('room-name');
    await name.pressSequentially('Typed early');
    await name.evaluate((field) => { field.served = true; });
    arrive();
    await p.live(ada);
    assert.equal(await name.evaluate((field) => field.served ?? false), false, 'the page was taken over');
    assert.equal(await name.inputValue(), 'Typed early');
    assert.equal(await name.evaluate((field) => field === document.activeElement), true);
    p.clean(ada);
    await ada.context.close();
  });

  it('attaches what was dropped or picked before the page could take it, however much of it was there', async () => {
    ada = await p.person(browser, stack);
    await p.connect(ada);
    const room = await p.createRoom(ada, 'Early 5524');
    const composer = ada.page.getByTestId('composer');
    /** Keeps a file back; gives what lets it go. */
    const held = async (name) => {
      let release;
      const released = new Promise((resolve) => { release = resolve; });
      await ada.page.route(`**/${name}`, async (route) => { await released; await route.continue(); });
      return release;
    };
    const pick = (name) => ada.page.getByTestId('attach').setInputFiles([file(name, png({ seed: 90 }))]);
    const cdp = await ada.context.newCDPSession(ada.page);
    /** Lets go of a file in the middle of an element, as a hand does. Where the page does not take it, the browser opens it. */
    const drop = async (over, name) => {
      const { x, y, width, height } = await over.boundingBox();
      const data = { items: [], files: [path.join(folder, name)], dragOperationsMask: 1 };
      await writeFile(data.files[0], png({ seed: 91 }));
      for (const type of ['dragEnter', 'dragOver', 'drop']) await cdp.send('Input.dispatchDragEvent', { type, x: x + width / 2, y: y + height / 2, data });
    };
    const attached = (name) => ada.page.locator('.thumb').filter({ hasText: name }).filter({ hasText: /, (clean|\d+ removed)$/ });

    const [page, runtime] = [await held('healthsync.wasm'), await held('split_runtime.wasm')];
    await ada.page.goto(stack.url + room, { waitUntil: 'commit' });
    await composer.evaluate((field) => field.setAttribute('data-served', ''));
    await drop(ada.page.getByRole('banner'), 'served.png');
    page();
    await ada.page.locator('[data-testid=composer]:not([data-served])').waitFor();
    await pick('drawn.png');
    assert.equal(await ada.page.locator('html[data-live]').count(), 0);
    runtime();
    for (const name of ['served.png', 'drawn.png']) await attached(name).waitFor();
    // Beside the place to drop on: not taken, and not opened by the browser.
    await drop(ada.page.getByRole('banner'), 'beside.png');
    await drop(ada.page.getByRole('main'), 'dropped.png');
    await attached('dropped.png').waitFor();
    assert.equal(await ada.page.locator('.thumb').count(), 3);
    p.clean(ada);
    await ada.context.close();
  });

  it('says so when it has stopped, as a panic stops it', async () => {
    ada = await p.person(browser, stack, { wallet: 'none' });
    await p.open(ada, '/');
    assert.equal(await bar().isVisible(), false);
    // A module with one function, which is nothing but the instruction that a panic ends in.
    await ada.page.evaluate(() => {
      const bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 10, 5, 1, 3, 0, 0, 0x0b];
      const { f } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports;
      setTimeout(f);
    });
    await bar().filter({ hasText: 'This page has stopped' }).waitFor({ state: 'visible' });
    assert.match(ada.errors.join(), /unreachable/);
    await ada.context.close();
  });
});
