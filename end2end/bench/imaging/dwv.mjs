// dwv, with the calls of its own manual.
import { choose } from './page.mjs';

export const dwv = ({ url }) => async (page, { paths, steps }) => {
  await page.goto(url);
  await page.addScriptTag({ type: 'module', url: '/dwv.js' });
  await choose(page, paths);
  await page.waitForFunction(() => window.dwv);
  return page.evaluate(async ({ steps }) => {
    const { dwv } = window;
    const files = [...document.getElementById('bench-files').files];
    const app = new dwv.App();
    app.init(new dwv.AppOptions({ '*': [new dwv.ViewConfig('bench')] }));
    const canvas = () => document.querySelector('#bench canvas');
    const loaded = new Promise((done) => app.addEventListener('load', done));
    const from = performance.now();
    app.loadFiles(files);
    await window.watch.until(canvas, 0);
    const first = performance.now() - from;
    await loaded;
    const all = performance.now() - from;
    const view = () => app.getLayerGroupByDivId('bench').getBaseViewLayer().getViewController();
    const place = app.getLayerGroupByDivId('bench').getPositionHelper();
    // It may begin anywhere, and turns at the ends.
    let forward = true;
    const scroll = await window.watch.steps(canvas, steps, () => {
      const go = () => (forward ? place.incrementPositionAlongScroll() : place.decrementPositionAlongScroll());
      if (!go()) { forward = !forward; go(); }
    });
    const windows = [new dwv.WindowLevel(40, 400), new dwv.WindowLevel(400, 1800)];
    const levels = await window.watch.steps(canvas, steps, (i) => view().setWindowLevel(windows[i % 2]));
    return { first, all, scroll, levels };
  }, { steps });
};
