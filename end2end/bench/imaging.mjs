// Looking at a CT of 140 slices in numbers: first image, all images, a step to the next slice and a step of the window,
// each until other pixels are on the screen; beside it, in the same browser and with the same files, dwv.
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ct } from '../lib/dicom.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';
import { machine, ms, percentile, print, save } from './table.mjs';

const SLICES = Number(process.env.BENCH_SLICES ?? 140);
const STEPS = Number(process.env.BENCH_STEPS ?? 60);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 3);
const here = path.dirname(fileURLToPath(import.meta.url));

/** The peer's folder and script, or why it cannot be had. */
function peer() {
  const folder = path.join(here, 'imaging');
  try {
    execFileSync('npm', ['ci', '--silent', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'pipe' });
    return { folder };
  } catch (error) {
    return { why: `dwv could not be installed: ${String(error.stderr ?? error).trim().split('\n')[0]}` };
  }
}

/** Runs in both pages: waits for a canvas whose pixels are not those of before, one animation frame after the other. */
const WATCH = `
  window.pixels = (canvas) => {
    const copy = window.__copy ??= new OffscreenCanvas(64, 64).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, canvas.width / 2 - 32, canvas.height / 2 - 32, 64, 64, 0, 0, 64, 64);
    const data = new Uint32Array(copy.getImageData(0, 0, 64, 64).data.buffer);
    let sum = 0;
    for (const word of data) sum = (Math.imul(sum, 31) + word) | 0;
    return sum;
  };
  window.until = async (canvas, before) => {
    for (let tries = 0; tries < 2000; tries++) {
      await new Promise(requestAnimationFrame);
      const now = canvas() && window.pixels(canvas());
      if (now && now !== before) return now;
    }
    throw new Error('the picture does not change');
  };
  window.steps = async (canvas, count, act) => {
    const took = [];
    for (let i = 0; i < count; i++) {
      const before = window.pixels(canvas());
      const from = performance.now();
      act(i);
      await window.until(canvas, before);
      took.push(performance.now() - from);
    }
    return took;
  };`;

async function choose(page, paths) {
  await page.evaluate(() => {
    document.body.innerHTML = '<input type="file" id="bench-files" multiple><div id="bench" style="width:800px;height:800px"></div>';
  });
  await page.setInputFiles('#bench-files', paths);
}

/** Our viewer, as the room opens it, without the room around it. */
async function ours(browser, url, paths) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 1000 } });
  await page.goto(url);
  const entry = await page.locator('meta[name=healthsync-imaging]').getAttribute('content');
  await choose(page, paths);
  await page.evaluate(WATCH);
  const result = await page.evaluate(async ({ entry, slices, steps }) => {
    const root = document.getElementById('bench');
    root.className = 'viewer reading';
    const files = [...document.getElementById('bench-files').files];
    const module = await import(entry);
    // As the room does while the key nodes are asked.
    await module.prepare();
    const viewer = await module.open(root, () => {});
    const canvas = () => root.querySelector('canvas');
    const from = performance.now();
    viewer.tell(JSON.stringify({ tell: 'pictures', pictures: [{ title: 'CT', url: null, size: [512, 512] }], chosen: 0 }), []);
    viewer.tell(JSON.stringify({ tell: 'files', picture: 0, expected: slices }), files.slice(0, 1));
    viewer.tell(JSON.stringify({ tell: 'files', picture: 0, expected: slices }), files.slice(1));
    const blank = 0;
    await window.until(canvas, blank);
    const first = performance.now() - from;
    while (!root.querySelector('[data-scrub-text]').textContent.endsWith(`/ ${slices}`)) await new Promise(requestAnimationFrame);
    const all = performance.now() - from;
    const stage = root.querySelector('[data-pane]');
    const key = (name) => stage.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
    const scroll = await window.steps(canvas, steps, () => key('ArrowDown'));
    const select = root.querySelector('[data-choose=preset]');
    const values = [...select.options].map((option) => option.value).filter(Boolean);
    const window_ = await window.steps(canvas, steps, (i) => {
      select.value = values[i % 2 ? 1 : 4];
      select.dispatchEvent(new Event('change', { bubbles: true }));
    });
    viewer.close();
    return { first, all, scroll, window: window_ };
  }, { entry, slices: SLICES, steps: STEPS });
  await page.close();
  return result;
}

/** dwv, with the page and the calls of its own manual. */
async function theirs(browser, folder, paths) {
  const bundled = await (await import('esbuild')).build({
    stdin: { contents: "import * as dwv from 'dwv'; window.dwv = dwv;", resolveDir: folder },
    bundle: true, write: false, format: 'esm', platform: 'browser', logLevel: 'silent',
  });
  const server = createServer(async (request, response) => {
    const name = new URL(request.url, 'http://x').pathname;
    if (name === '/') {
      response.setHeader('content-type', 'text/html');
      return response.end('<!doctype html><title>dwv</title><script type="module" src="/dwv.js"></script><body></body>');
    }
    response.setHeader('content-type', 'text/javascript');
    if (name === '/dwv.js') return response.end(bundled.outputFiles[0].text);
    // Its workers.
    const file = path.join(folder, 'node_modules/dwv/dist', path.normalize(name).replace(/^\/(dist\/)?/, ''));
    response.end(await readFile(file).catch(() => ''));
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const page = await browser.newPage({ viewport: { width: 1000, height: 1000 } });
  try {
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await choose(page, paths);
    await page.evaluate(WATCH);
    return await page.evaluate(async ({ steps }) => {
      const { dwv } = window;
      const files = [...document.getElementById('bench-files').files];
      const app = new dwv.App();
      app.init(new dwv.AppOptions({ '*': [new dwv.ViewConfig('bench')] }));
      const canvas = () => document.querySelector('#bench canvas');
      const loaded = new Promise((done) => app.addEventListener('load', done));
      const from = performance.now();
      app.loadFiles(files);
      await window.until(canvas, 0);
      const first = performance.now() - from;
      await loaded;
      const all = performance.now() - from;
      const view = () => app.getLayerGroupByDivId('bench').getBaseViewLayer().getViewController();
      const place = app.getLayerGroupByDivId('bench').getPositionHelper();
      // It may begin anywhere, and turns at the ends.
      let forward = true;
      const scroll = await window.steps(canvas, steps, () => {
        const go = () => (forward ? place.incrementPositionAlongScroll() : place.decrementPositionAlongScroll());
        if (!go()) { forward = !forward; go(); }
      });
      const windows = [new dwv.WindowLevel(40, 400), new dwv.WindowLevel(400, 1800)];
      const window_ = await window.steps(canvas, steps, (i) => view().setWindowLevel(windows[i % 2]));
      return { first, all, scroll, window: window_ };
    }, { steps: STEPS });
  } finally {
    await page.close();
    server.close();
  }
}

const results = { machine: machine(), slices: SLICES };
console.log(results.machine);
const folder = await mkdtemp(path.join(tmpdir(), 'bench-imaging-'));
const stack = await startStack();
const browser = await p.launch(['--disable-frame-rate-limit', '--disable-gpu-vsync']);
try {
  const paths = [];
  // In order, so that neither has to sort first.
  for (const one of ct({ slices: SLICES }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    paths.push(path.join(folder, one.name));
    await writeFile(paths.at(-1), one.buffer);
  }
  const beside = peer();
  if (beside.why) console.log(`${beside.why}. Only our own viewer is measured.`);
  const viewers = { ours: (b) => ours(b, stack.url, paths) };
  if (beside.folder) viewers['dwv 0.36.4'] = (b) => theirs(b, beside.folder, paths);
  const all = Object.fromEntries(Object.keys(viewers).map((name) => [name, []]));
  // One after the other, round by round, so that what the machine does besides hits both.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, measure] of Object.entries(viewers)) all[name].push(await measure(browser));
  }
  const rows = [[`CT of ${SLICES} slices, 512 × 512, median of ${ROUNDS} rounds`, 'first image', 'all images', 'slice p50', 'slice p95', 'window p50', 'window p95']];
  for (const [name, rounds] of Object.entries(all)) {
    const middle = (pick) => percentile(rounds.map(pick), 50);
    const part = (pick, at) => percentile(rounds.flatMap(pick), at);
    results[name] = {
      first: middle((r) => r.first), all: middle((r) => r.all),
      slice: [part((r) => r.scroll, 50), part((r) => r.scroll, 95)], window: [part((r) => r.window, 50), part((r) => r.window, 95)],
    };
    const one = results[name];
    rows.push([name, ms(one.first), ms(one.all), ...one.slice.map(ms), ...one.window.map(ms)]);
  }
  print('looking at a series', rows);
  console.log('A step ends with the first animation frame that shows other pixels, so none is shorter than the wait for a frame.');
  await save(results);
} finally {
  await browser.close();
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
}
