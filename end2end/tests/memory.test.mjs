// What a page holds in memory is bounded: open photographs, encrypted files for others, and what an event leaves behind.
// Counted are bytes of blobs and of WebAssembly's memory, not those of processes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { file, pngOfBytes } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

const MB = 1024 * 1024;
/** As in `files/photos.rs` and `files/shelf.rs`. */
const PHOTOS = 64 * MB;
const SHELF = 32 * MB;

/** Keeps account of the addresses of blobs that the page has not given back. */
const account = () => {
  const sizes = new Map();
  const [create, revoke] = [URL.createObjectURL, URL.revokeObjectURL];
  URL.createObjectURL = (blob) => {
    const url = create.call(URL, blob);
    if (blob.type.startsWith('image/')) sizes.set(url, blob.size);
    return url;
  };
  URL.revokeObjectURL = (url) => {
    sizes.delete(url);
    revoke.call(URL, url);
  };
  window.__open = () => [...sizes.values()].reduce((sum, size) => sum + size, 0);
};

/** Sums up `what` (an expression about `x`) over all objects of this class that the page still holds. */
async function held(me, name, what) {
  const cdp = await me.context.newCDPSession(me.page);
  await cdp.send('HeapProfiler.collectGarbage');
  const { result } = await cdp.send('Runtime.evaluate', { expression: `${name}.prototype` });
  const { objects } = await cdp.send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
  const sum = await cdp.send('Runtime.callFunctionOn', {
    objectId: objects.objectId, returnByValue: true, // A class that inherits from it has a prototype here, which is no object of it.
    functionDeclaration: `function () { return this.reduce((sum, x) => { try { return sum + ${what}; } catch { return sum; } }, 0); }`,
  });
  await cdp.detach();
  return sum.result.value;
}

describe('what a page holds in memory', () => {
  let stack, browser, ada, ben, room;
  const picture = pngOfBytes(12_000_000);
  const COUNT = 7;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    for (const me of [ada, ben]) {
      await me.context.addInitScript(account);
      await p.connect(me);
    }
    room = await p.createRoom(ada, 'Many photographs');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('holds no more than the bound of open photographs and of files for others, with who shares and who opens', async () => {
    for (let i = 0; i < COUNT; i++) {
      await p.share(ada, `Photograph ${i}`, [file('photo.png', picture)]);
      await p.openCase(ben, `Photograph ${i}`);
      await p.unlock(ben);
    }
    for (const me of [ada, ben]) {
      const open = await me.page.evaluate(() => window.__open());
      assert.ok(open > 4 * picture.length && open <= PHOTOS, `${open} bytes are open`);
      const shelf = await held(me, 'Blob', 'x.size');
      assert.ok(shelf > picture.length && shelf <= SHELF, `${shelf} bytes are on the shelf`);
    }
  });

  it('leaves no picture behind that is not on screen', async () => {
    for (const me of [ada, ben]) {
      const large = await held(me, 'HTMLImageElement', '(x.naturalWidth > 1000 ? 1 : 0)');
      assert.ok(large <= 1, `${large} pictures are drawn in full`);
    }
  });

  it('says that it has locked one again, and opens it once more', async () => {
    await p.openCase(ben, 'Photograph 0');
    await ben.page.getByTestId('case-locked').filter({ hasText: 'locked again to spare memory' }).waitFor();
    await p.unlock(ben);
  });

  it('keeps little of each message', async () => {
    const COUNT = 2_000;
    const before = await held(ben, 'WebAssembly.Memory', 'x.buffer.byteLength');
    await ada.page.evaluate(async (count) => {
      for (let i = 0; i < count; i++) {
        const box = document.querySelector('[data-testid=composer]');
        box.value = `Message ${i}.`;
        box.dispatchEvent(new Event('input', { bubbles: true }));
        document.querySelector('[data-testid=send]').click();
        await new Promise((go) => setTimeout(go, 10));
      }
    }, COUNT);
    await p.message(ben, `Message ${COUNT - 1}.`).waitFor();
    const grown = (await held(ben, 'WebAssembly.Memory', 'x.buffer.byteLength')) - before;
    assert.ok(grown < COUNT * 1_500, `${grown} bytes for ${COUNT} messages`);
  });

  it('had no page error', () => {
    for (const me of [ada, ben]) assert.deepEqual(me.errors, []);
  });
});
