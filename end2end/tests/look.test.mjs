// What everybody meets: accessibility, narrow screens, headers, keyboard. Pages in the state people see them in.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accessible, fits, shot } from '../lib/access.mjs';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

describe('look and access', { timeout: 300_000 }, () => {
  let stack, browser, ada, phone, room;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    ada = await p.person(browser, stack);
    phone = await p.person(browser, stack, { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
    await p.connect(ada);
    await p.connect(phone);
    room = await p.createRoom(ada, 'Second opinions');
    await p.addMember(ada, phone.address);
    await p.say(ada, 'Solid nodule, found before a hip operation.');
    await p.share(ada, 'Nodule, right upper lobe', [file('ct.png', png({ width: 512, height: 512 })), file('cr.png', png({ seed: 9 }))]);
    await p.ask(ada, 'Most likely diagnosis of the nodule?', ['Primary lung carcinoma', 'Granuloma', 'Hamartoma']);
    await p.vote(ada, 'Granuloma');
    await p.open(phone, room);
    await phone.page.getByTestId('unlock').waitFor();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  const pages = [['landing', '/'], ['rooms', '/rooms'], ['new-room', '/rooms/new'], ['room', null], ['verify', '/verify'], ['missing', '/no/such/page']];
  for (const [name, path] of pages) {
    it(`axe finds nothing serious on ${name}, wide and light, narrow and dark; no page is wider than its window`, async () => {
      for (const me of [ada, phone]) {
        await p.open(me, path ?? room);
        if (!path) await me.page.getByTestId('message').first().waitFor({ state: 'attached' });
        await accessible(me.page);
        await fits(me.page);
        await shot(me.page, `${name}-${me === ada ? 1440 : 390}`);
      }
    });
  }

  it('a small phone scrolls no page sideways, before its fonts are there and while it connects', async () => {
    const visitor = await p.person(browser, stack, { viewport: { width: 320, height: 568 } });
    await visitor.page.route('**/*.woff2', (route) => route.abort());
    const overflow = () => visitor.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    for (const path of ['/', '/rooms']) {
      await p.open(visitor, path);
      assert.ok((await overflow()) <= 0, `${await overflow()} px too wide while connecting, on ${path}`);
      await p.transport(visitor);
      assert.ok((await overflow()) <= 0, `${await overflow()} px too wide, on ${path}`);
    }
    await visitor.context.close();
  });

  it('opens the part of a room that the address names', async () => {
    for (const [part, inside] of [['vote', 'member-list'], ['talk', 'composer']]) {
      await p.open(phone, '/verify');
      await p.open(phone, `${room}#${part}`);
      await phone.page.getByTestId(inside).waitFor();
    }
  });

  it('votes by keyboard alone', async () => {
    await p.open(ada, room);
    await p.option(ada, 'Granuloma').getByTestId('my-vote').waitFor();
    await ada.page.getByRole('radio', { name: /Granuloma/ }).focus();
    await ada.page.keyboard.press('ArrowDown');
    await ada.page.getByTestId('cast-vote').focus();
    await ada.page.keyboard.press('Enter');
    await p.option(ada, 'Hamartoma').getByTestId('my-vote').waitFor();
  });

  it('sends a strict policy and long-lived, compressed assets', async () => {
    const page = await fetch(stack.url + '/');
    const csp = page.headers.get('content-security-policy');
    assert.match(csp, /default-src 'none'/);
    assert.match(csp, /'nonce-[^']+' 'wasm-unsafe-eval'/);
    assert.doesNotMatch(csp, /unsafe-inline|'unsafe-eval'/);
    assert.equal(page.headers.get('x-content-type-options'), 'nosniff');
    const wasm = (await page.text()).match(/\/pkg\/[^"']+\.wasm/)[0];
    for (const encoding of ['br', 'gzip']) {
      const asset = await fetch(stack.url + wasm, { headers: { 'accept-encoding': encoding } });
      assert.equal(asset.headers.get('content-encoding'), encoding);
      assert.match(asset.headers.get('cache-control'), /immutable/);
      assert.match(asset.headers.get('vary'), /accept-encoding/i);
      await asset.arrayBuffer();
    }
  });

  it('refuses posts from another origin', async () => {
    const answer = await fetch(stack.url + '/api/rooms_of', { method: 'POST', headers: { origin: 'https://evil.example', 'content-type': 'application/x-www-form-urlencoded' }, body: `person=${ada.address}` });
    assert.equal(answer.status, 403);
  });

  it('is usable on the first stream, ten loads out of ten', async () => {
    for (let i = 0; i < 10; i++) {
      await p.open(phone, room);
      await p.transport(phone);
    }
  });

  it('broke nothing behind the scenes', () => p.clean(ada, phone));
});
