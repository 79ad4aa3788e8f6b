// Bad input and parts that are down, slow or lying: one sentence each, and nothing lost.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { file, hugePng, png, pngOfBytes } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

/** Images in a case. */
const MOST = 64;

describe('bad input and broken parts', { timeout: 300_000 }, () => {
  let stack, browser, ada, ben, room;
  const error = (me, text) => me.page.getByTestId('error').filter({ hasText: text }).first().waitFor();

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack, { direct: false })]);
    await p.connect(ada);
    await p.connect(ben);
    room = await p.createRoom(ada, 'Faults');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  for (const [what, bad, says] of [
    ['a file that is no image', file('notes.png', Buffer.from('these are notes, not pixels')), /image/i],
    ['an empty file', file('empty.png', Buffer.alloc(0)), /empty|0 bytes/i],
    ['a truncated image', file('cut.png', png().subarray(0, 9000)), /cut|truncated|ends/i],
    ['20,000 × 20,000 pixels', file('huge.png', hugePng()), /pixels|20.?000/i],
  ]) {
    it(`names what is wrong with ${what}, and still shares the good one beside it`, async () => {
      const caption = `Beside ${what}`;
      await ada.page.getByTestId('attach').setInputFiles([bad, file('good.png', png({ seed: what.length }))]);
      await error(ada, says);
      await ada.page.getByTestId('composer').fill(caption);
      await ada.page.getByTestId('send').click();
      await ada.page.getByTestId('case').filter({ hasText: caption }).waitFor();
      await ada.page.getByRole('button', { name: `Take out ${bad.name}` }).click();
    });
  }

  it('says how long a text may be, and keeps the text', async () => {
    const text = 'a'.repeat(1_000_000);
    await ada.page.getByTestId('composer').fill(text);
    await ada.page.getByTestId('send').click();
    await error(ada, /characters/i);
    assert.equal((await ada.page.getByTestId('composer').inputValue()).length, text.length);
    await ada.page.getByTestId('composer').fill('');
  });

  it('says what is wrong with an address', async () => {
    await ada.page.getByTestId('member-add-address').fill('0x1234');
    await ada.page.getByTestId('member-add').click();
    await error(ada, /42/);
    assert.equal(await ada.page.getByTestId('member-add-address').inputValue(), '0x1234');
  });

  it('answers 404 with a page for a room that does not exist', async () => {
    const answer = await ada.page.request.get(`${stack.url}/rooms/0x${'ab'.repeat(32)}`);
    assert.equal(answer.status(), 404);
    assert.match(await answer.text(), /no such room|doesn't exist|no room/i);
    assert.equal((await ada.page.request.get(`${stack.url}/rooms/nonsense`)).status(), 404);
  });

  it('refuses an image whose bytes do not match its id, and opens it when they do', async () => {
    await p.share(ada, 'Swapped in storage', [file('real.png', png({ seed: 77 }))]);
    await p.openCase(ben, 'Swapped in storage');
    await ben.page.route('**/ipfs/**', async (route) => {
      const answer = await route.fetch();
      const body = Buffer.from(await answer.body());
      body[100] ^= 1;
      await route.fulfill({ response: answer, body });
    });
    await ben.page.getByTestId('unlock').click();
    await error(ben, /does not match|doesn't match/i);
    await ben.page.unroute('**/ipfs/**');
    await p.unlock(ben);
  });

  it('opens with two key nodes down, and says so when three are', async () => {
    await p.share(ada, 'With nodes down', [file('nodes.png', png({ seed: 78 }))]);
    await p.openCase(ben, 'With nodes down');
    const down = async (n) => {
      await ben.page.unroute('**/api/key_shares*');
      await ben.page.route('**/api/key_shares*', async (route) => {
        const answer = await route.fetch();
        const nodes = await answer.json();
        for (const node of nodes.slice(0, n)) node.result = { failed: { reason: 'connection refused' } };
        await route.fulfill({ response: answer, json: nodes });
      });
    };
    await down(3);
    await ben.page.getByTestId('unlock').click();
    await error(ben, /key share|key node/i);
    await down(2);
    await p.unlock(ben);
    await ben.page.unroute('**/api/key_shares*');
  });

  it('says that the upload failed, keeps caption and image, and shares on the second try', async () => {
    await ada.page.route('**/api/v0/add*', (route) => route.abort());
    await ada.page.getByTestId('attach').setInputFiles([file('kept.png', png({ seed: 79 }))]);
    await ada.page.getByTestId('composer').fill('Kept after a failed upload');
    await ada.page.getByTestId('send').click();
    await error(ada, /upload|storage/i);
    assert.equal(await ada.page.getByTestId('composer').inputValue(), 'Kept after a failed upload');
    // What failed goes with the next try, so it has its place: of as many as a case holds, one has none.
    await ada.page.getByTestId('attach').setInputFiles(Array.from({ length: MOST }, (_, i) => file(`more-${i}.png`, png({ seed: i }))));
    await ada.page.getByTestId('toast').filter({ hasText: `A case holds ${MOST} images; the first ${MOST - 1} of these were taken.` }).waitFor();
    await ada.page.unroute('**/api/v0/add*');
    for (let i = 0; i < MOST - 1; i++) await ada.page.getByRole('button', { name: `Take out more-${i}.png` }).click();
    await ada.page.getByTestId('send').click();
    await ada.page.getByTestId('case').filter({ hasText: 'Kept after a failed upload' }).waitFor();
  });

  for (const when of ['at once', 'after a reload']) it(`goes on where it was when the file is stored and its key is not, ${when}: one upload, one case, and it opens`, async () => {
    const caption = `Stored, and no key to it yet; sent again ${when}`;
    const [uploads, saved] = [[], new Set()];
    const watch = (request) => {
      if (request.method() !== 'POST') return;
      if (request.url().includes('/api/v0/add')) uploads.push(request.url());
      if (request.url().includes('/api/fileAccessConditions/')) saved.add(request.postDataJSON().cid);
    };
    ada.page.on('request', watch);
    const away = /\/api\/fileAccessConditions\/[345]$/;
    await ada.page.route(away, (route) => route.abort());
    await ada.page.getByTestId('attach').setInputFiles([file('half.png', png({ seed: 82 }))]);
    await ada.page.getByTestId('composer').fill(caption);
    await ada.page.getByTestId('send').click();
    await error(ada, /did not take its key share/);
    assert.equal(await ada.page.getByTestId('composer').inputValue(), caption);
    if (when === 'after a reload') {
      await ada.page.reload();
      await ada.page.locator('.thumb').filter({ hasText: 'half.png' }).waitFor();
      await ada.page.waitForFunction((text) => document.querySelector('[data-testid=composer]')?.value === text, caption);
    }
    await ada.page.unroute(away);
    await ada.page.getByTestId('send').click();
    await ada.page.getByTestId('case').filter({ hasText: caption }).waitFor();
    ada.page.off('request', watch);
    assert.equal(uploads.length, 1);
    assert.equal(saved.size, 1);
    await p.openCase(ben, caption);
    await p.unlock(ben);
  });

  it('refuses a storage that answers with another content id', async () => {
    await ada.page.route('**/api/v0/add*', async (route) => {
      const answer = await route.fetch();
      const files = await answer.json();
      files[0].Hash = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy';
      await route.fulfill({ response: answer, json: files });
    });
    await ada.page.getByTestId('attach').setInputFiles([file('liar.png', png({ seed: 80 }))]);
    await ada.page.getByTestId('composer').fill('Stored by a liar');
    await ada.page.getByTestId('send').click();
    await error(ada, /content id|storage/i);
    await ada.page.unroute('**/api/v0/add*');
    assert.equal(await ada.page.getByTestId('composer').inputValue(), 'Stored by a liar');
  });

  it('cleans photographs in one worker, and says so when that stops: attached again, it is shared', async () => {
    await ada.page.getByRole('button', { name: 'Take out liar.png' }).click();
    const started = [];
    ada.page.on('worker', (worker) => started.push(worker.url()));
    const [first, second] = ['first.png', 'second.png'].map((name, i) => file(name, png({ seed: 83 + i })));
    // Without the worker that has run already.
    await ada.page.reload();
    await p.live(ada);
    await ada.page.route('**/photos.js', (route) => route.abort());
    await ada.page.getByTestId('attach').setInputFiles([first]);
    await error(ada, /imaging worker stopped at this file/);
    await ada.page.getByRole('button', { name: 'Take out first.png' }).click();
    await ada.page.unroute('**/photos.js');
    started.length = 0;
    await ada.page.getByTestId('attach').setInputFiles([first, second]);
    for (const { name } of [first, second]) await ada.page.locator('.thumb').filter({ hasText: name }).filter({ hasText: /, (clean|\d+ removed)$/ }).waitFor();
    assert.deepEqual(started.map((url) => url.split('/').at(-1)), ['photos.js'], 'one worker for both');
    await ada.page.getByTestId('composer').fill('Cleaned after all');
    await ada.page.getByTestId('send').click();
    await ada.page.getByTestId('case').filter({ hasText: 'Cleaned after all' }).waitFor();
  });

  it('stops an upload when asked, and keeps caption and image', async () => {
    await ada.page.route('**/api/v0/add*', () => {}); // never answered: a hospital's slow line
    await ada.page.getByTestId('attach').setInputFiles([file('slow.png', png({ seed: 81 }))]);
    await ada.page.getByTestId('composer').fill('Stopped half way');
    await ada.page.getByTestId('send').click();
    await ada.page.getByRole('progressbar').first().waitFor();
    await ada.page.getByRole('button', { name: 'Stop sharing, keep the images here' }).click();
    await ada.page.unroute('**/api/v0/add*');
    await ada.page.getByRole('button', { name: 'Take out slow.png' }).waitFor();
    assert.equal(await ada.page.getByTestId('composer').inputValue(), 'Stopped half way');
    await ada.page.getByTestId('send').click();
    await ada.page.getByTestId('case').filter({ hasText: 'Stopped half way' }).waitFor();
  });

  it('leaves out what is taken out while the case is sent: what is stored by then, what is on its way, and what waits', async () => {
    const caption = 'Only the last of the four';
    const names = ['stored.png', 'going.png', 'waiting.png', 'stays.png'];
    let [uploads, begun] = [0];
    const second = new Promise((told) => { begun = told; });
    await ada.page.route('**/api/v0/add*', (route) => (++uploads === 2 ? begun() : route.continue()));
    await ada.page.getByTestId('attach').setInputFiles(names.map((name, i) => file(name, png({ width: 200 + i, seed: 90 + i }))));
    for (const name of names) await ada.page.locator('.thumb').filter({ hasText: name }).filter({ hasText: /, (clean|\d+ removed)$/ }).waitFor();
    await ada.page.getByTestId('composer').fill(caption);
    await ada.page.getByTestId('send').click();
    await second;
    for (const name of ['stored.png', 'waiting.png', 'going.png']) await ada.page.getByRole('button', { name: `Take out ${name}` }).click();
    await ada.page.getByTestId('case').filter({ hasText: caption }).waitFor();
    await ada.page.unroute('**/api/v0/add*');
    assert.equal(uploads, 3);
    await ada.page.locator('.thumb').first().waitFor({ state: 'detached' });
    await ada.page.waitForFunction(() => document.querySelector('[data-testid=composer]').value === '');
    await p.openCase(ben, caption);
    await p.unlock(ben);
    assert.equal((await p.picture(ben)).width, 203);
    assert.ok(await ben.page.locator('[data-choose=picture]').isHidden(), 'one image, so there is nothing to choose');
  });

  it('shares nothing when all is taken out while it is sent, and keeps the caption', async () => {
    const caption = 'Nothing is left of this';
    await ada.page.route('**/api/v0/add*', () => {});
    await ada.page.getByTestId('attach').setInputFiles([file('gone.png', png({ seed: 95 }))]);
    await ada.page.getByTestId('composer').fill(caption);
    const upload = ada.page.waitForRequest('**/api/v0/add*');
    await ada.page.getByTestId('send').click();
    await upload;
    await ada.page.getByRole('button', { name: 'Take out gone.png' }).click();
    await ada.page.locator('.thumb').first().waitFor({ state: 'detached' });
    await ada.page.unroute('**/api/v0/add*');
    assert.equal(await ada.page.getByTestId('composer').inputValue(), caption);
    // It can go as a message, so the composer waits for nothing any more.
    await ada.page.getByTestId('send').click();
    await p.message(ben, caption).waitFor();
    assert.equal(await ada.page.getByTestId('case').filter({ hasText: caption }).count(), 0);
    assert.equal(await ada.page.getByTestId('composer').inputValue(), '');
  });

  it('gives up an upload of which nothing more goes out for a minute, keeps it, and shares on the second try', async () => {
    const caption = 'Into a black hole, and then not';
    await ada.page.route('**/api/v0/add*', () => {});
    // The minute is over at once.
    await ada.page.evaluate(() => {
      const real = window.setTimeout;
      window.setTimeout = (call, ms, ...more) => real(call, ms === 60_000 ? 500 : ms, ...more);
    });
    await ada.page.getByTestId('attach').setInputFiles([file('hole.png', png({ seed: 96 }))]);
    await ada.page.getByTestId('composer').fill(caption);
    await ada.page.getByTestId('send').click();
    await error(ada, /nothing more of it went to .* for a minute.*The image is kept here/);
    await ada.page.unroute('**/api/v0/add*');
    // With its own clock again.
    await ada.page.reload();
    await ada.page.locator('.thumb').filter({ hasText: 'hole.png' }).waitFor();
    await ada.page.waitForFunction((text) => document.querySelector('[data-testid=composer]')?.value === text, caption);
    await p.live(ada);
    await ada.page.getByTestId('send').click();
    await ada.page.getByTestId('case').filter({ hasText: caption }).waitFor();
  });

  it('unlocks many photographs a few at a time', async () => {
    const caption = 'A roll of film';
    await p.share(ada, caption, Array.from({ length: 7 }, (_, i) => file(`roll-${i}.png`, png({ seed: 100 + i }))));
    let [now, most, all] = [0, 0, 0];
    await ben.page.route('**/ipfs/**', async (route) => {
      most = Math.max(most, ++now);
      all += 1;
      const answer = await route.fetch();
      // Whatever else is to come at the same time has come meanwhile.
      await new Promise((done) => setTimeout(done, 300));
      now -= 1;
      await route.fulfill({ response: answer });
    });
    await p.openCase(ben, caption);
    await p.unlock(ben);
    while (all < 7) await ben.page.waitForResponse('**/ipfs/**');
    await ben.page.unrouteAll({ behavior: 'wait' });
    assert.equal(most, 3);
  });

  it('says that the browser is full and what to do, keeps the text, and sends it when there is room again', async () => {
    const devtools = await ben.context.newCDPSession(ben.page);
    const room = (quotaSize) => devtools.send('Storage.overrideQuotaForOrigin', { origin: stack.url, quotaSize });
    const text = 'There is no place for this. '.repeat(100).trim();
    await room(1);
    // Chromium goes by what it knew of the free space for up to half a minute; nothing tells when it looks again.
    await ben.page.evaluate(async () => {
      const opened = indexedDB.open('probe');
      opened.onupgradeneeded = () => opened.result.createObjectStore('bytes');
      await new Promise((done) => { opened.onsuccess = done; });
      for (let full = false; !full;) {
        await new Promise((done) => setTimeout(done, 500));
        const writing = opened.result.transaction('bytes', 'readwrite');
        writing.objectStore('bytes').put(new Uint8Array(100), 1);
        full = await new Promise((done) => { writing.oncomplete = () => done(false); writing.onabort = () => done(true); });
      }
      opened.result.close();
    });
    await ben.page.getByTestId('composer').fill(text);
    await ben.page.getByTestId('send').click();
    await ben.page.getByText('no room left for this page').first().waitFor();
    await ben.page.getByText('choose what this browser forgets').first().waitFor();
    assert.equal(await ben.page.getByTestId('composer').inputValue(), text);
    // Sending empties the field; the same text comes back each time.
    await ben.page.getByTestId('send').click();
    await ben.page.waitForFunction((text) => document.querySelector('[data-testid=composer]').value === text, text);
    await room(undefined);
    await ben.page.getByTestId('send').click();
    await p.message(ada, text).first().waitFor();
    assert.equal(await p.message(ada, text).count(), 1);
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});

describe('a server with a small upload limit', { timeout: 120_000 }, () => {
  let stack, browser, ada;
  before(async () => {
    stack = await startStack({ env: { HEALTHSYNC_MAX_UPLOAD: '100000' } });
    browser = await p.launch();
    ada = await p.person(browser, stack);
    await p.connect(ada);
    await p.createRoom(ada, 'Small files only');
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('names the limit before anything is sent, and shares what fits', async () => {
    let uploads = 0;
    ada.page.on('request', (request) => { if (request.url().includes('/api/v0/add')) uploads += 1; });
    await ada.page.getByTestId('attach').setInputFiles([file('large.png', pngOfBytes(300_000)), file('small.png', png())]);
    await ada.page.getByTestId('error').filter({ hasText: /100 kB|0\.1 MB|limit|most/i }).first().waitFor();
    assert.equal(uploads, 0);
    await ada.page.getByTestId('composer').fill('The one that fits');
    await ada.page.getByTestId('send').click();
    await ada.page.getByTestId('case').filter({ hasText: 'The one that fits' }).waitFor();
    assert.equal(uploads, 1);
  });

  it('takes nothing from somebody without a device', async () => {
    const body = new FormData();
    body.append('file', new Blob([new Uint8Array(3_000_000)]), 'x');
    const answer = await fetch(`${stack.url}/api/v0/add`, { method: 'POST', body });
    assert.equal(answer.status, 401);
    assert.ok((await answer.json()).error);
  });
});
