// The main job in numbers: navigation to usable room, message latency browser → relay → browser, image sharing and
// unlocking, size of the download, memory of the server. Beside it, in the same run, a plain WebSocket broadcast.
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { file, pngOfBytes } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';
import { startPlainRelay } from './plain-relay.mjs';
import { kb, machine, mb, ms, percentile, print, save } from './table.mjs';

const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 500);
// Between two messages: a quick typist is ten times slower, and nothing queues up.
const PAUSE = Number(process.env.BENCH_PAUSE ?? 50);
const LOADS = Number(process.env.BENCH_LOADS ?? 10);

/** Notes when something as long as a message left and came in by any link; and lets the page have one WebRTC link at most. */
const LISTEN = (direct) => {
  const now = () => performance.timeOrigin + performance.now();
  const long = (data) => (data.byteLength ?? data.length ?? data.size) > 400;
  const heard = (e) => { if (long(e.data)) window.__heard = now(); };
  for (const kind of [window.WebSocket, window.RTCDataChannel]) {
    const { send } = kind.prototype;
    kind.prototype.send = function (data) { if (long(data)) window.__left ??= now(); return send.call(this, data); };
    const { set, ...rest } = Object.getOwnPropertyDescriptor(kind.prototype, 'onmessage');
    Object.defineProperty(kind.prototype, 'onmessage', { ...rest, set(take) { set.call(this, take && ((e) => { heard(e); take.call(this, e); })); } });
  }
  if (direct) return;
  const Real = window.RTCPeerConnection;
  let links = 0;
  // The first is the one to the relay; members are told that there are no others.
  window.RTCPeerConnection = class extends Real { constructor(...how) { if (links++) throw new Error('one link only'); super(...how); } };
};

/** Sends numbered texts from one page and notes when the other shows each; one clock, as both are one browser. */
async function latencies(from, to, count, send) {
  await to.evaluate(() => {
    window.__seen = {};
    window.__came = {};
    const look = (node) => {
      if (node.nodeType !== 1) return;
      const text = node.textContent.match(/bench-(\d+)\./);
      if (!text || text[1] in window.__seen) return;
      window.__seen[text[1]] = performance.timeOrigin + performance.now();
      window.__came[text[1]] = window.__heard;
    };
    window.__watch = new MutationObserver((list) => { for (const m of list) { for (const n of m.addedNodes) look(n); if (m.type === 'characterData') look(m.target.parentElement); } });
    window.__watch.observe(document.body, { childList: true, subtree: true, characterData: true });
  });
  const { clicked, left } = await from.evaluate(async ({ count, send, pause }) => {
    const say = new Function('text', send);
    const [clicked, left] = [[], []];
    for (let i = 0; i < count; i++) {
      clicked.push(performance.timeOrigin + performance.now());
      window.__left = undefined;
      say(`bench-${i}.`);
      await new Promise((next) => setTimeout(next, pause));
      left.push(window.__left);
    }
    return { clicked, left };
  }, { count, send, pause: PAUSE });
  await to.waitForFunction((n) => Object.keys(window.__seen).length >= n, count, { timeout: 60_000 }).catch(() => {});
  const { seen, came } = await to.evaluate(() => { window.__watch.disconnect(); return { seen: window.__seen, came: window.__came }; });
  const between = (from, to) => from.map((t, i) => to[i] - t).filter(Number.isFinite);
  const [took, arrived, way] = [between(clicked, seen), between(clicked, came), between(left, came)];
  return {
    p50: percentile(took, 50), p95: percentile(took, 95), p99: percentile(took, 99), lost: count - took.length,
    arrived: percentile(arrived, 50), way: { p50: percentile(way, 50), p95: percentile(way, 95) },
  };
}

const SAY = `const box = document.querySelector('[data-testid=composer]');
  box.value = text; box.dispatchEvent(new Event('input', { bubbles: true }));
  document.querySelector('[data-testid=send]').click();`;

const memory = async (stack) => Number((await readFile(`/proc/${stack.serverPid}/status`, 'utf8')).match(/VmRSS:\s+(\d+)/)[1]) * 1000;

async function setTransport(me, transport) {
  await me.page.evaluate((t) => localStorage.setItem('healthsync.transport', t), transport);
}

const results = { machine: machine() };
console.log(results.machine);
const stack = await startStack();
const browser = await p.launch();
try {
  const [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
  for (const me of [ada, ben]) await me.context.addInitScript(LISTEN, false);
  await p.connect(ada);
  await p.connect(ben);
  const room = await p.createRoom(ada, 'Bench');
  await p.addMember(ada, ben.address);
  await p.enterRoom(ben, room);

  const usable = [['navigation to usable room', 'p50', 'p95', 'max', 'target']];
  const latency = [[`message, browser to browser, ${MESSAGES} of them`, 'sent to came in p50', 'p95', 'pressed to came in p50', 'drawn p50', 'p95', 'p99', 'lost', 'target']];
  const times = (l) => [ms(l.way.p50), ms(l.way.p95), ms(l.arrived), ms(l.p50), ms(l.p95), ms(l.p99), l.lost];
  for (const wanted of ['websocket', 'webrtc']) {
    for (const me of [ada, ben]) await setTransport(me, wanted);
    const loads = [];
    for (let i = 0; i < LOADS; i++) {
      const start = Date.now();
      await ben.page.goto(stack.url + room);
      await p.transport(ben);
      await ben.page.getByTestId('composer').waitFor();
      loads.push(Date.now() - start);
    }
    await p.enterRoom(ada, room);
    const got = `${await p.transport(ada)}/${await p.transport(ben)}`;
    usable.push([wanted === got.split('/')[1] ? wanted : `${wanted} asked, ${got} got`, ms(percentile(loads, 50)), ms(percentile(loads, 95)), ms(Math.max(...loads)), '1500 ms']);
    const l = await latencies(ada.page, ben.page, MESSAGES, SAY);
    latency.push([`HealthSync, by the relay, ${got}`, ...times(l), 'p50 5 ms']);
    results[wanted] = { got, loads, latency: l };
  }
  {
    const [cy, di] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    for (const me of [cy, di]) { await me.context.addInitScript(LISTEN, true); await p.connect(me); await p.addMember(ada, me.address); }
    await ada.page.goto('about:blank');
    await ben.page.goto('about:blank');
    await p.enterRoom(cy, room);
    await p.enterRoom(di, room);
    const linked = (me) => me.page.waitForFunction(() => /[1-9]\d* direct/.test(document.querySelector('[data-testid=direct-links]')?.textContent));
    if ((await Promise.allSettled([cy, di].map(linked))).every(({ status }) => status === 'fulfilled')) {
      const l = await latencies(cy.page, di.page, MESSAGES, SAY);
      latency.push(['HealthSync, direct link beside the relay', ...times(l), '']);
      results.direct = l;
    } else {
      latency.push(['HealthSync, direct link: none was made in 20 s', '', '', '', '', '', '', '', '']);
    }
    await cy.context.close();
    await di.context.close();
  }
  const plain = await startPlainRelay();
  const pages = await Promise.all([ada, ben].map(async (me) => { const page = await me.context.newPage(); await page.goto(plain.url); await page.locator('html[data-live]').waitFor({ state: 'attached' }); return page; }));
  const floor = await latencies(pages[0], pages[1], MESSAGES, 'window.say(text)');
  latency.push(['plain WebSocket broadcast, no encryption, no storage', '', '', '', ms(floor.p50), ms(floor.p95), ms(floor.p99), floor.lost, '']);
  results.plain = floor;
  await Promise.all(pages.map((page) => page.close()));
  plain.stop();
  for (const me of [ada, ben]) {
    await p.open(me, '/rooms');
    await setTransport(me, 'auto');
  }

  print('Room', usable);
  print('Messages', latency);
  const shares = [];
  const unlocks = [];
  for (let i = 0; i < 5; i++) {
    const caption = `Bench picture ${i}`;
    await p.enterRoom(ada, room);
    await ada.page.getByTestId('composer').fill(caption);
    const start = Date.now();
    await ada.page.getByTestId('attach').setInputFiles([file(`bench-${i}.png`, pngOfBytes(1_000_000, i + 1))]);
    await ada.page.getByTestId('send').click();
    await ada.page.getByTestId('case').filter({ hasText: caption }).waitFor();
    shares.push(Date.now() - start);
    await p.enterRoom(ben, room);
    await ben.page.getByText(caption).first().click();
    await ben.page.getByTestId('unlock').waitFor();
    const open = Date.now();
    await ben.page.getByTestId('unlock').click();
    await p.picture(ben);
    unlocks.push(Date.now() - open);
  }
  results.image = { shares, unlocks };
  print('Image of 1 MB', [['step', 'p50', 'max', 'target'], ['picked to shared', ms(percentile(shares, 50)), ms(Math.max(...shares)), ''], ['unlock to visible', ms(percentile(unlocks, 50)), ms(Math.max(...unlocks)), '1000 ms']]);

  const site = process.env.HEALTHSYNC_SITE_ROOT;
  const manifest = JSON.parse(await readFile(path.join(site, 'manifest.json'), 'utf8'));
  const size = [['download', 'raw', 'brotli', 'target']];
  let total = 0;
  for (const kind of ['wasm', 'js', 'split', 'runtime', 'css']) {
    const name = path.join(site, manifest[kind]);
    const [raw, br] = await Promise.all([stat(name), stat(`${name}.br`)]);
    if (kind !== 'css') total += br.size;
    size.push([kind, kb(raw.size), kb(br.size), '']);
    results[kind] = { raw: raw.size, brotli: br.size };
  }
  size.push(['all but css', '', kb(total), '600 kB']);
  print('Size', size);

  const before = await memory(stack);
  const contexts = [];
  for (let i = 0; i < 20; i++) {
    const me = await p.person(browser, stack, { wallet: 'demo' });
    await p.open(me, '/rooms');
    await p.transport(me);
    contexts.push(me.context);
  }
  const after = await memory(stack);
  results.memory = { before, after, perBrowser: (after - before) / 20 };
  print('Server memory', [['state', 'resident'], ['two browsers', mb(before)], ['twenty more', mb(after)], ['for each more', kb((after - before) / 20)]]);
  await save(results);
} finally {
  await browser.close();
  await stack.stop();
}
