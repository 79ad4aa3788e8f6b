// Two pages of ours at our relay beside two of js-libp2p at a relay of js-libp2p, in one run and one Chromium: from dialling
// to the first answer, messages and bursts from page to page over the relay, content from page to page over a direct link,
// and what a connection weighs at the relay (there, the same js-libp2p nodes are connected to both).
// `cargo xtask bench net` builds our page and names its folder in HEALTHSYNC_NET_PAGE.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bundled } from '../interop/browser.mjs';
import { launch } from '../lib/people.mjs';
import { connected, ours, theirs } from './net/relays.mjs';
import { kb, machine, mb, ms, percentile, print, save } from './table.mjs';

const DIALS = Number(process.env.BENCH_DIALS ?? 20);
const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 300);
const BURST = Number(process.env.BENCH_BURST ?? 2_000);
const BURSTS = 3;
const FETCHES = Number(process.env.BENCH_FETCHES ?? 5);
const CONNECTIONS = Number(process.env.BENCH_CONNECTIONS ?? 100);
const TRANSPORTS = ['websocket', 'webrtc-direct'];
const [SMALL, LARGE, CONTENT] = [256, 60_000, 20_000_000];
const FOLDER = process.env.HEALTHSYNC_NET_PAGE ?? path.join(import.meta.dirname, '../../target/xtask/net-page');
/** No question to a page takes longer, unless something hangs. */
const LIMIT = 60_000;
/** A message that has not come when nothing has for so long is lost. */
const LOST_AFTER = 3_000;

const median = (values) => percentile(values, 50);
const within = (promise, what) => {
  const late = new AbortController();
  const limit = pause(LIMIT, null, { signal: late.signal }).then(() => { throw new Error(`${what} has not ended after ${LIMIT / 1000} s`); });
  limit.catch(() => {});
  return Promise.race([promise, limit]).finally(() => late.abort());
};

/** The pages' addresses, from a real server: Chromium lets no page of unknown origin reach this machine. */
async function serve() {
  const scripts = {
    '/ours.mjs': await bundled(path.join(import.meta.dirname, 'net/ours.mjs'), ['/page.js']),
    '/theirs.mjs': await bundled(path.join(import.meta.dirname, '../interop/bench.mjs')),
    '/page.js': await readFile(path.join(FOLDER, 'page.js')),
    '/page_bg.wasm': await readFile(path.join(FOLDER, 'page_bg.wasm')),
  };
  const server = createServer(({ url }, response) => {
    const type = { '.wasm': 'application/wasm', '.js': 'text/javascript', '.mjs': 'text/javascript' }[path.extname(url)];
    response.writeHead(200, { 'content-type': type ?? 'text/html' }).end(scripts[url] ?? `<!doctype html><title>${url}</title><script src="${url}.mjs"></script>`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

/** Opens a page with a node; gives what asks it. */
async function open(browser, origin, kind) {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error(`${kind}: ${error}`));
  await page.goto(`${origin}/${kind}`);
  const ask = (name, ...words) => within(page.evaluate(([name, words]) => globalThis.measured[name](...words), [name, words]), `${kind}: ${name}`);
  return { ask, close: () => context.close() };
}

/** Has one page send and looks when the other has heard: how long each message took, and how long it was to the last. */
async function sending([a, b], how, ...words) {
  const sent = await a.ask(how, ...words);
  const times = await b.ask('heard', sent.flatMap(({ numbers }) => numbers), LOST_AFTER);
  let next = 0;
  const came = sent.map(({ numbers, at }) => ({ at, heard: numbers.map(() => times[next++]) }));
  const whole = came.filter(({ heard }) => !heard.includes(null));
  const took = whole.map(({ at, heard }) => Math.max(...heard) - at);
  return { took, lost: sent.length - whole.length, last: Math.max(...whole.map(({ heard }) => Math.max(...heard))) - sent[0].at };
}

/** A burst several times, each after `before`: what is usual. */
async function bursts(pages, how, before) {
  const all = [];
  for (let i = 0; i < BURSTS; i++) {
    await before();
    all.push(await sending(pages, how, BURST, SMALL, 0));
  }
  return { last: median(all.map(({ last }) => last)), lost: median(all.map(({ lost }) => lost)) };
}

async function inPages(browser, origin, relay, transport) {
  const pages = [await open(browser, origin, relay.page), await open(browser, origin, relay.page)];
  const [a, b] = pages;
  const where = relay.forPage(transport);
  const dials = [];
  for (let i = 0; i <= DIALS; i++) dials.push(await a.ask('dial', where));
  // The first has Chromium start what it needs for it.
  dials.shift();
  const enter = (page) => page.ask('enter', where, relay.who());
  await enter(b);
  await enter(a);
  // Those of js-libp2p are in the relay's mesh by the next heartbeat.
  await sending(pages, 'send', 20, SMALL, 100);
  const small = await sending(pages, 'send', MESSAGES, SMALL, 10);
  const large = await sending(pages, 'send', MESSAGES / 3, LARGE, 50);
  // What our relay takes live from one peer at once fills up again.
  const passing = await bursts(pages, 'send', () => pause(5_000));
  // Somebody else each time: of one person our relay keeps 2,000 events at once, and 50 a second.
  const kept = await bursts(pages, 'handOver', () => a.ask('leave').then(() => enter(a)));
  const names = [await a.ask('name'), await b.ask('name')];
  await Promise.all([a.ask('meet', names[1], false), b.ask('meet', names[0], true)]);
  const fetches = [];
  for (let i = 0; i < FETCHES; i++) {
    const content = await a.ask('offer', CONTENT);
    fetches.push(await b.ask('fetch', content, names[0], CONTENT));
  }
  for (const page of pages) {
    await page.ask('leave');
    await page.close();
  }
  return { dials, small, large, passing, kept, fetches };
}

const resident = async (pid) => Number((await readFile(`/proc/${pid}/status`, 'utf8')).match(/VmRSS:\s+(\d+)/)[1]) * 1000;

/** What a relay that has just started grows by with each connection. */
async function weight(relay, transport) {
  await relay.restart();
  const nodes = [];
  const connect = async (count) => {
    for (let i = 0; i < count; i += 10) nodes.push(...await Promise.all(Array.from({ length: 10 }, () => within(connected(relay, transport), 'connecting'))));
    await pause(2_000);
  };
  // With the first comes what is needed once.
  await connect(10);
  const before = await resident(relay.pid);
  await connect(CONNECTIONS);
  const after = await resident(relay.pid);
  await Promise.all(nodes.map((node) => node.stop()));
  return (after - before) / CONNECTIONS;
}

console.log(machine());
const origin = await serve();
const relays = [await ours(), await theirs()];
const results = Object.fromEntries(TRANSPORTS.map((transport) => [transport, {}]));
const browser = await launch();
try {
  for (const transport of TRANSPORTS) for (const relay of relays) results[transport][relay.name] = await inPages(browser, origin, relay, transport);
  for (const transport of TRANSPORTS) for (const relay of relays) results[transport][relay.name].each = await weight(relay, transport);
} finally {
  await browser.close();
  for (const relay of relays) await relay.stop();
}

/** Why a row is behind, where it is. */
const WHY = {
  '60 kB, p50': 'ours are two events, hashed in WebAssembly: 4 ms of SHA at the page that hears; theirs one message, hashed by the browser',
  '20 MB over a direct link': 'ours hashes each chunk, in WebAssembly: a third of a second; theirs takes bytes unproved',
  [`burst of ${BURST} kept, last after`]: 'ours are checked and written to disk one by one, theirs are not kept',
  [`burst of ${BURST} passing, lost`]: 'our relay takes 1,000 at once and 200 a second from one peer, on purpose',
};

for (const transport of TRANSPORTS) {
  const [we, they] = relays.map(({ name }) => results[transport][name]);
  const row = (name, read, show = ms, less = true) => {
    const [a, b] = [read(we), read(they)];
    const behind = (less ? a > b : a < b) ? WHY[name] ?? 'not known' : '';
    return [name, show(a), show(b), behind];
  };
  const count = (of) => (lost) => `${lost} of ${of}`;
  const rate = (took) => `${mb(CONTENT / (took / 1000))}/s`;
  print(`A page at its relay, over ${transport}`, [
    ['', 'HealthSync', 'js-libp2p', 'why, where behind'],
    ...[50, 95].map((p) => row(`dial to first answer, p${p}`, ({ dials }) => percentile(dials, p))),
    ...[50, 95, 99].map((p) => row(`${SMALL} B, p${p}`, ({ small }) => percentile(small.took, p))),
    row(`${SMALL} B, lost`, ({ small }) => small.lost, count(MESSAGES)),
    ...[50, 95, 99].map((p) => row(`60 kB, p${p}`, ({ large }) => percentile(large.took, p))),
    row('60 kB, lost', ({ large }) => large.lost, count(MESSAGES / 3)),
    row(`burst of ${BURST} kept, last after`, ({ kept }) => kept.last),
    row(`burst of ${BURST} kept, lost`, ({ kept }) => kept.lost, count(BURST)),
    row(`burst of ${BURST} passing, last after`, ({ passing }) => passing.last),
    row(`burst of ${BURST} passing, lost`, ({ passing }) => passing.lost, count(BURST)),
    row('20 MB over a direct link', ({ fetches }) => median(fetches), rate),
    row(`relay's memory, one of ${CONNECTIONS}`, ({ each }) => each, kb),
  ]);
}
await save(results);
process.exit(0);
