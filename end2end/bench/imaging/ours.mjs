// Our viewer, as the room opens it, without the room around it.
import { choose } from './page.mjs';

/** `gpu`: by WebGL2. */
export const ours = ({ url, gpu = false }) => async (page, { paths, steps }) => {
  await page.goto(url);
  const entry = await page.locator('meta[name=healthsync-imaging]').getAttribute('content');
  await choose(page, paths);
  return page.evaluate(async ({ entry, steps, gpu }) => {
    localStorage.imaging = gpu ? 'gpu' : 'cpu';
    const root = document.getElementById('bench');
    root.className = 'viewer reading';
    const files = [...document.getElementById('bench-files').files];
    const module = await import(entry);
    // The room does this while the key nodes are asked.
    await module.prepare();
    const viewer = await module.open(root, () => {});
    const canvas = () => root.querySelector('canvas');
    const from = performance.now();
    viewer.tell(JSON.stringify({ tell: 'pictures', pictures: [{ title: 'CT', url: null, size: [512, 512] }], chosen: 0 }), []);
    const expected = files.length;
    viewer.tell(JSON.stringify({ tell: 'files', picture: 0, expected }), files);
    await window.watch.until(canvas, 0);
    const first = performance.now() - from;
    while (!root.querySelector('[data-scrub-text]').textContent.endsWith(`/ ${expected}`)) await new Promise(requestAnimationFrame);
    const all = performance.now() - from;
    const stage = root.querySelector('[data-pane]');
    const scroll = await window.watch.steps(canvas, steps, () => stage.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true })));
    const select = root.querySelector('[data-choose=preset]');
    const values = [...select.options].map((option) => option.value).filter(Boolean);
    const levels = await window.watch.steps(canvas, steps, (i) => {
      select.value = values[i % 2 ? 1 : 4];
      select.dispatchEvent(new Event('change', { bubbles: true }));
    });
    return { first, all, scroll, levels };
  }, { entry, steps, gpu });
};
