// Cornerstone3D, with the calls of its own examples: a stack viewport, the images by its loader for local files.
import { choose } from './page.mjs';

/** `cpu`: by its CPU renderer; else by WebGL. */
export const cornerstone = ({ url, cpu }) => async (page, { paths, steps }) => {
  await page.goto(url);
  await page.addScriptTag({ type: 'module', url: '/cornerstone.js' });
  await choose(page, paths);
  await page.waitForFunction(() => window.cornerstone);
  return page.evaluate(async ({ steps, cpu }) => {
    const { core, loader } = window.cornerstone;
    await core.init();
    loader.init({ maxWebWorkers: 1 });
    core.setUseCPURendering(cpu);
    const files = [...document.getElementById('bench-files').files];
    const engine = new core.RenderingEngine('bench');
    engine.enableElement({ viewportId: 'ct', type: core.Enums.ViewportType.STACK, element: document.getElementById('bench') });
    const viewport = engine.getViewport('ct');
    const canvas = () => document.querySelector('#bench canvas');
    const from = performance.now();
    const ids = files.map((file) => loader.wadouri.fileManager.add(file));
    await viewport.setStack([...ids], 0);
    viewport.render();
    await window.watch.until(canvas, 0);
    const first = performance.now() - from;
    await Promise.all(ids.map((id) => core.imageLoader.loadAndCacheImage(id)));
    const all = performance.now() - from;
    let at = 0;
    const scroll = await window.watch.steps(canvas, steps, () => { at = (at + 1) % ids.length; viewport.setImageIdIndex(at); });
    const ranges = [{ lower: -160, upper: 240 }, { lower: -500, upper: 1300 }];
    const levels = await window.watch.steps(canvas, steps, (i) => { viewport.setProperties({ voiRange: ranges[i % 2] }); viewport.render(); });
    return { first, all, scroll, levels };
  }, { steps, cpu });
};
