// The decoders as the room has them, as WebAssembly in a worker of the page: the same image in several syntaxes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { codestreams, decoded } from '../lib/codestreams.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

describe('compressed images in the browser', { timeout: 120_000 }, () => {
  let stack, browser, page, entry;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    page = await browser.newPage();
    await page.goto(stack.url);
    entry = await page.locator('meta[name=healthsync-imaging]').getAttribute('content');
    await page.evaluate(() => { document.body.innerHTML = '<input type="file"><div class="viewer reading"></div>'; });
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  /** The grey levels that the viewer shows of a file, or what it says instead. */
  async function shown(name, buffer) {
    await page.setInputFiles('input', { name, mimeType: 'application/dicom', buffer });
    return page.evaluate(async (entry) => {
      const root = document.querySelector('.viewer');
      const viewer = await (await import(entry)).open(root, () => {});
      viewer.tell(JSON.stringify({ tell: 'pictures', pictures: [{ title: 'one', url: null, size: [32, 32] }], chosen: 0 }), []);
      viewer.tell(JSON.stringify({ tell: 'files', picture: 0, expected: 1 }), [...document.querySelector('input').files]);
      try {
        for (;;) {
          await new Promise(requestAnimationFrame);
          const canvas = root.querySelector('canvas');
          if (canvas?.width === 32) {
            const context = new OffscreenCanvas(32, 32).getContext('2d');
            context.drawImage(canvas, 0, 0);
            return [...context.getImageData(0, 0, 32, 32).data].filter((_, at) => at % 4 === 0);
          }
          const fault = root.querySelector('[role=alert]:not([hidden])');
          if (fault) return fault.textContent;
        }
      } finally {
        viewer.close();
      }
    }, entry);
  }

  for (const [name, file] of Object.entries(codestreams)) {
    it(`opens ${name} exactly`, { timeout: 30_000 }, async () => {
      const levels = await shown(`${name}.dcm`, file);
      assert.ok(Array.isArray(levels), String(levels));
      // Without a window of its own an image is shown from its least to its greatest value.
      const [least, most] = [Math.min(...decoded), Math.max(...decoded)];
      const off = levels.filter((level, at) => Math.abs(level - (255 * (decoded[at] - least)) / (most - least)) > 1.5);
      assert.deepEqual(off, []);
    });
  }
});
