// Two people who talk without a pause: 20 messages a second between them and a picture of 5 MB every 10 s, for 10 minutes.
// Nothing may be lost or shown twice, and memory must not grow with time on any side. Each of the three has a browser with
// a profile on disk: in a private window the browser keeps the page's database in memory as well.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { file, pngOfBytes } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';
import { machine, mb, print, save } from './table.mjs';

const MINUTES = Number(process.env.BENCH_MINUTES ?? 10);
// Of each of the two, so that there are 20 a second.
const EVERY = Number(process.env.BENCH_PAUSE ?? 100);
const PICTURE = 5_000_000;
const PICTURE_EVERY = 10_000;
const SAMPLE_EVERY = 30_000;
/** Until then memory may grow. */
const WARM = 180_000;

/** Bytes that belong to one process alone. Decoded pictures are in memory that it shares with its browser, which throws them away at a limit of its own. */
const held = async (pid) => Number((await readFile(`/proc/${pid}/status`, 'utf8')).match(/RssAnon:\s+(\d+)/)[1]) * 1024;

/** Processes of the browsers whose profiles are in `folder`, by kind. */
async function processes(folder) {
  const found = { renderer: [], browser: [] };
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    // A process may end meanwhile.
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(folder)) found[line.match(/--type=([a-z-]+)/)?.[1] ?? 'browser']?.push(pid);
  }
  return found;
}

/** Bytes of the page's WebAssembly, which never shrinks. */
async function wasm(cdp) {
  const { result } = await cdp.send('Runtime.evaluate', { expression: 'WebAssembly.Memory.prototype' });
  const { objects } = await cdp.send('Runtime.queryObjects', { prototypeObjectId: result.objectId });
  const sum = await cdp.send('Runtime.callFunctionOn', {
    objectId: objects.objectId, returnByValue: true, functionDeclaration: 'function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }',
  });
  await cdp.send('Runtime.releaseObject', { objectId: objects.objectId });
  return sum.result.value;
}

/** Notes every numbered message that the page shows, and those that it shows twice at a time. */
const watch = (page) => page.evaluate(() => {
  window.__soak = { seen: new Set(), twice: new Set() };
  const row = '[data-testid=message]';
  const number = (node) => node.textContent.match(/soak-[ab]-\d+\./)?.[0];
  // Several come in one stroke when the page was busy: each row is looked at, not each stroke.
  const look = (node) => {
    for (const each of [node.closest(row), ...node.querySelectorAll(row)]) if (each && number(each)) window.__soak.seen.add(number(each));
  };
  const all = () => {
    const shown = [...document.querySelectorAll(row)].map(number).filter(Boolean);
    shown.filter((text, i) => shown.indexOf(text) !== i).forEach((text) => window.__soak.twice.add(text));
  };
  setInterval(all, 5_000);
  new MutationObserver((list) => {
    for (const m of list) {
      for (const n of m.addedNodes) if (n.nodeType === 1) look(n);
      if (m.type === 'characterData' && m.target.parentElement) look(m.target.parentElement);
    }
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
});

/** How many events this browser keeps: it has one room. */
const stored = (page) => page.evaluate(() => new Promise((done, failed) => {
  const open = indexedDB.open('healthsync');
  open.onerror = () => failed(open.error);
  open.onsuccess = () => {
    const count = open.result.transaction('envelopes').objectStore('envelopes').count();
    count.onerror = () => failed(count.error);
    count.onsuccess = () => { open.result.close(); done(count.result); };
  };
}));

/**
 * Without the record of bodies that Playwright's inspector asks the page for: it would keep each picture as text, a third
 * larger than its file, up to 200 MB in the very process whose memory is measured. Playwright has no setting for it.
 */
const unrecorded = (page) => page._connection.toImpl(page).delegate._mainFrameSession._client.send('Network.disable');

/** Starts to talk: says a numbered message again and again until `until`, and gives how many it were. */
const talk = (page, name, until) => page.evaluate(async ({ name, until, every }) => {
  let said = 0;
  for (let next = Date.now(); next < until; next += every) {
    await new Promise((go) => setTimeout(go, Math.max(0, next - Date.now())));
    const box = document.querySelector('[data-testid=composer]');
    box.value = `soak-${name}-${said++}.`;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    document.querySelector('[data-testid=send]').click();
  }
  return said;
}, { name, until, every: EVERY });

console.log(machine());
const stack = await startStack();
const folder = await mkdtemp(join(tmpdir(), 'soak-'));
const browser = p.profiles(folder);
try {
  const [ada, ben, cy] = await Promise.all([p.person(browser, stack), p.person(browser, stack), p.person(browser, stack)]);
  for (const me of [ada, ben, cy]) await p.connect(me);
  const room = await p.createRoom(ada, 'Soak');
  for (const me of [ben, cy]) await p.addMember(ada, me.address);
  // Pictures come from a third person, so that nobody's typing waits for an upload.
  for (const me of [ben, cy]) await p.enterRoom(me, room);
  for (const me of [ada, ben]) await watch(me.page);
  for (const me of [ada, ben, cy]) await unrecorded(me.page);

  const everybody = [ada, ben, cy];
  const heaps = await Promise.all(everybody.map((me) => me.context.newCDPSession(me.page)));
  const sum = (bytes) => bytes.reduce((sum, one) => sum + one, 0);
  const all = async (pids) => sum(await Promise.all(pids.map((pid) => held(pid).catch(() => 0))));
  const memory = [];
  const measure = async () => {
    // What nobody holds any more is not what a page needs.
    await Promise.all(heaps.map((heap) => heap.send('HeapProfiler.collectGarbage')));
    const { renderer, browser } = await processes(folder);
    const now = { at: Date.now() - begin, server: await held(stack.serverPid), pages: await all(renderer), wasm: sum(await Promise.all(heaps.map(wasm))), browsers: await all(browser) };
    memory.push(now);
    console.log(`${(now.at / 1000).toFixed(0).padStart(4)} s  server ${mb(now.server)}  three pages ${mb(now.pages)} (WebAssembly ${mb(now.wasm)})  their browsers ${mb(now.browsers)}`);
  };

  const begin = Date.now();
  const until = begin + MINUTES * 60_000;
  const talks = Promise.all([talk(ada.page, 'a', until), talk(ben.page, 'b', until)]);
  const pictures = { shared: 0, opened: 0 };
  const picture = pngOfBytes(PICTURE);
  await measure();
  for (let next = begin; next < until - PICTURE_EVERY; next += PICTURE_EVERY) {
    await pause(Math.max(0, next - Date.now()));
    const caption = `Soak picture ${String(pictures.shared).padStart(3, '0')}`;
    await p.share(cy, caption, [file('soak.png', picture)]);
    pictures.shared++;
    await p.openCase(ben, caption);
    await p.unlock(ben);
    pictures.opened++;
    if (Date.now() - begin >= memory.length * SAMPLE_EVERY) await measure();
  }
  const [byAda, byBen] = await talks;
  const said = [...Array(byAda).keys()].map((i) => `soak-a-${i}.`).concat([...Array(byBen).keys()].map((i) => `soak-b-${i}.`));
  const missing = (me) => me.page.evaluate((said) => said.filter((text) => !window.__soak.seen.has(text)), said);
  const settled = async () => (await Promise.all([ada, ben].map(missing))).every((lost) => lost.length === 0);
  for (const end = Date.now() + 30_000; Date.now() < end && !(await settled());) await pause(500);
  await measure();
  const rows = [['side', 'said', 'not shown', 'shown twice', 'events kept', 'page errors']];
  const lost = {};
  for (const [name, me, count] of [['ada', ada, byAda], ['ben', ben, byBen]]) {
    lost[name] = (await missing(me)).length;
    rows.push([name, count, lost[name], await me.page.evaluate(() => window.__soak.twice.size), await stored(me.page), me.errors.length]);
  }
  rows.push(['cy, who shares', 0, '', '', await stored(cy.page), cy.errors.length]);
  print(`Messages, ${MINUTES} minutes`, rows);
  print('Pictures of 5 MB', [['shared', 'opened'], [pictures.shared, pictures.opened]]);
  const warm = memory.find(({ at }) => at >= WARM) ?? memory.at(-1);
  const line = (what, key) => {
    const [start, after, end] = [memory[0], warm, memory.at(-1)].map((sample) => sample[key]);
    return [what, mb(start), mb(after), mb(end), `${(100 * (end / after - 1)).toFixed(1)} %`];
  };
  print('Memory that each side holds for itself', [['side', 'start', 'after 3 minutes', 'end', 'growth since'], line('server', 'server'), line('three pages', 'pages'), line('of it WebAssembly', 'wasm'), line('their browsers', 'browsers')]);
  await save({ machine: machine(), minutes: MINUTES, said: { ada: byAda, ben: byBen }, lost, pictures, memory });
} finally {
  await browser.close();
  await stack.stop();
  await rm(folder, { recursive: true, force: true });
}
