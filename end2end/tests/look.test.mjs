// What everybody meets: accessibility, narrow screens, headers, keyboard. Pages in the state people see them in.
import assert from 'node:assert/strict';
import { AxeBuilder } from '@axe-core/playwright';
import { after, before, describe, it } from 'node:test';
import { mkdir } from 'node:fs/promises';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

const SHOTS = new URL('../artifacts/', import.meta.url);

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
    await mkdir(SHOTS, { recursive: true });
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
        const { violations } = await new AxeBuilder({ page: me.page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
        const grave = violations.filter((v) => ['serious', 'critical'].includes(v.impact));
        assert.deepEqual(grave.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), []);
        const overflow = await me.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${overflow} px too wide`);
        await me.page.screenshot({ path: new URL(`${name}-${me === ada ? 1440 : 390}.png`, SHOTS).pathname });
      }
    });
  }

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
