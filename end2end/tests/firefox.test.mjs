// The same job in Firefox, driven by WebDriver BiDi: two people with the page's own wallet, each in a context of their own,
// write, share an image, unlock it and vote. Runs when FIREFOX names a program.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import puppeteer from 'puppeteer-core';
import * as p from '../lib/people.mjs';
import { png } from '../lib/pictures.mjs';
import { startStack } from '../stack.mjs';

const { FIREFOX } = process.env;

const id = (name) => `[data-testid="${name}"]`;

describe('two people in Firefox', { skip: FIREFOX ? false : 'FIREFOX names no program', timeout: 300_000 }, () => {
  let stack, browser, ada, ben, room, folder;

  const person = async () => {
    const context = await browser.createBrowserContext();
    return tab({ context, errors: [] });
  };
  /** One more tab of the same browser. */
  const tab = async (of) => {
    const page = await of.context.newPage();
    page.setDefaultTimeout(30_000);
    const me = { ...of, page };
    page.on('pageerror', (error) => {
      // Firefox's own remark where a way by UDP is not found; the page goes on by another.
      if (!/WebRTC: ICE failed/.test(error)) me.errors.push(String(error));
    });
    return me;
  };
  // Two contexts are two windows, and only the one in front draws frames: nothing here waits for a frame. And no
  // `waitForFunction`: it makes a function of text in the page, which the page's policy forbids in Firefox.
  const until = async (me, holds, ...values) => {
    for (const end = Date.now() + 30_000; ;) {
      const held = await me.page.evaluateHandle(holds, ...values);
      if (await held.evaluate((value) => Boolean(value))) return held.asElement() ?? held;
      await held.dispose();
      if (Date.now() > end) throw new Error(`never came to be: ${holds} with ${values}`);
      await pause(50);
    }
  };
  /** Waits for the element with this id that shows this text, and gives it. */
  const sees = (me, name, text = '') => until(
    me, (selector, text) => [...document.querySelectorAll(selector)].find((e) => e.checkVisibility() && e.textContent.includes(text)), id(name), text,
  );
  const press = async (me, name, text) => {
    await me.page.bringToFront();
    await (await sees(me, name, text)).click();
  };
  const type = async (me, name, text) => {
    await me.page.bringToFront();
    await (await sees(me, name)).type(text);
  };
  const open = async (me, where) => {
    await me.page.goto(stack.url + where);
    await until(me, () => document.documentElement.dataset.live === '');
  };
  const connect = async (me) => {
    await open(me, '/rooms');
    await press(me, 'connect-wallet');
    await press(me, 'wallet-option', 'Demo wallet');
    await until(me, () => document.querySelector('[data-session=ready]'));
    me.address = await me.page.$eval(id('account'), (account) => account.dataset.person);
  };

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'firefox-'));
    stack = await startStack();
    browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: FIREFOX,
      headless: true,
      // Set from outside: puppeteer sets a viewport by commands that Firefox ESR does not know.
      defaultViewport: null,
      args: ['--width=1440', '--height=900'],
      // Firefox leaves loopback out of WebRTC; nobody but a test has a relay there.
      extraPrefsFirefox: { 'media.peerconnection.ice.loopback': true },
    });
    [ada, ben] = [await person(), await person()];
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('connects with the page\'s own wallet and makes a room', async () => {
    await connect(ada);
    await connect(ben);
    await p.fund(stack, ada.address);
    await open(ada, '/rooms/new');
    await type(ada, 'room-name', 'Firefox 6611');
    await press(ada, 'create-room');
    await until(ada, () => /\/rooms\/0x[0-9a-f]{64}$/.test(location.pathname));
    await sees(ada, 'room-title', 'Firefox 6611');
    room = await ada.page.evaluate(() => location.pathname);
    await type(ada, 'member-add-address', ben.address);
    await press(ada, 'member-add');
    await until(ada, () => document.querySelectorAll('[data-testid=member]').length === 2);
  });

  it('carries messages both ways', async (test) => {
    await open(ben, room);
    for (const [one, other, text] of [[ada, ben, 'Do you see this film?'], [ben, ada, 'I do.']]) {
      await type(one, 'composer', text);
      await press(one, 'send');
      await sees(other, 'message', text);
    }
    for (const me of [ada, ben]) {
      const transport = await me.page.$eval(id('transport'), (e) => e.textContent.trim());
      assert.ok(['webrtc', 'websocket'].includes(transport), transport);
      test.diagnostic(`connected over ${transport}`);
    }
  });

  it('shares an image that the colleague unlocks', async () => {
    const film = path.join(folder, 'film.png');
    await writeFile(film, png({ seed: 8 }));
    const picker = await ada.page.$(id('attach'));
    await picker.uploadFile(film);
    await type(ada, 'composer', 'Film of a wrist');
    await press(ada, 'send');
    await sees(ada, 'image');
    await press(ben, 'unlock');
    const image = await until(ben, () => document.querySelector('[data-testid=image] img'));
    const width = await image.evaluate(async (img) => {
      await img.decode();
      return img.naturalWidth;
    });
    assert.equal(width, 256);
  });

  it('votes, and both see the count', async () => {
    await press(ada, 'poll-ask');
    await type(ada, 'poll-question', 'A fracture?');
    const [yes, no] = await ada.page.$$(id('poll-option-input'));
    await yes.type('Yes');
    await no.type('No');
    await press(ada, 'poll-publish');
    await sees(ben, 'poll-option', 'Yes');
    await press(ben, 'poll-option', 'Yes');
    await press(ben, 'cast-vote');
    for (const me of [ada, ben]) {
      await until(me, () => document.querySelector('[data-testid=vote-count]')?.textContent.trim() === '1');
    }
  });

  it('has one node for two tabs, which goes on when the first of them closes', async () => {
    const second = await tab(ada);
    await open(second, room);
    const said = [[second, 'From the other tab'], [ada, 'And from the first']];
    for (const [me, text] of said) {
      await type(me, 'composer', text);
      await press(me, 'send');
      for (const reader of [ada, second, ben]) await sees(reader, 'message', text);
    }
    const locks = () => second.page.evaluate(async () => {
      const { held, pending } = await navigator.locks.query();
      return [held, pending].map((locks) => locks.filter((lock) => lock.name.startsWith('healthsync-node/')).length);
    });
    // Ben's browser is another context, which sees none of these.
    assert.deepEqual(await locks(), [1, 1]);
    await ada.page.close();
    ada = second;
    await type(ada, 'composer', 'The first is closed');
    await press(ada, 'send');
    await sees(ben, 'message', 'The first is closed');
    await type(ben, 'composer', 'And you are here');
    await press(ben, 'send');
    await sees(ada, 'message', 'And you are here');
    assert.deepEqual(await locks(), [1, 0]);
  });

  it('broke nothing behind the scenes', () => {
    for (const me of [ada, ben]) assert.deepEqual(me.errors, []);
  });
});
