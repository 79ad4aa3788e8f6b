// The room's log beside two general mergeable documents that hold the same history: `cargo xtask bench rooms`.
// Ours checks signatures, delegations and rules on every event, and seals; theirs do none of that. Native code against
// JavaScript (Yjs) and WebAssembly (Automerge), on this machine, one thread each.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as A from '@automerge/automerge';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import * as Y from 'yjs';
import * as p from '../lib/people.mjs';
import { Registry } from '../lib/registry.mjs';
import { masters } from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';
import { machine, print, save } from './table.mjs';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const WHOLE = 100_000;
const SEEDS = process.env.HEALTHSYNC_SEEDS ?? '10000';
const text = (i) => `Message ${i}: solid nodule in the right upper lobe, found before a hip operation.`;
const cargo = (args, env = {}) => execFileSync('cargo', args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] }).toString();

function yjs() {
  const from = new Y.Doc();
  const updates = [];
  from.on('update', (update) => updates.push(update));
  const list = from.getArray('messages');
  for (let i = 0; i < WHOLE; i++) list.push([{ id: i, person: i % 20, at: i, text: text(i) }]);
  const into = new Y.Doc();
  const started = performance.now();
  let tail = started;
  updates.forEach((update, i) => { if (i === WHOLE - 1_000) tail = performance.now(); Y.applyUpdate(into, update); });
  const ended = performance.now();
  if (into.getArray('messages').length !== WHOLE) throw new Error('Yjs lost something');
  return { fold: ended - started, last: ended - tail, bytes: updates.reduce((sum, u) => sum + u.length, 0) / WHOLE };
}

function automerge(count) {
  let from = A.from({ messages: [] });
  const first = A.getAllChanges(from);
  const changes = [];
  for (let i = 0; i < count; i++) {
    from = A.change(from, (d) => { d.messages.push({ id: i, person: i % 20, at: i, text: text(i) }); });
    changes.push(A.getLastLocalChange(from));
  }
  let [into] = A.applyChanges(A.init(), first);
  const started = performance.now();
  let tail = started;
  changes.forEach((change, i) => { if (i === count - 1_000) tail = performance.now(); [into] = A.applyChanges(into, [change]); });
  const ended = performance.now();
  if (into.messages.length !== count) throw new Error('Automerge lost something');
  return { fold: ended - started, last: ended - tail, bytes: changes.reduce((sum, c) => sum + c.length, 0) / count };
}

const ours = JSON.parse(cargo(['run', '--quiet', '--release', '-p', 'healthsync-core', '--example', 'rooms']));
const y = yjs();
// A hundred thousand single changes take Automerge many minutes.
const few = 10_000;
const a = automerge(few);
const per = (ms, of) => `${((ms / of) * 1000).toFixed(1)} µs`;
console.log(machine());
print('A history of 100,000 events, one by one', [
  ['', 'HealthSync', 'Yjs', `Automerge (${few.toLocaleString('en')})`],
  ['all of them', `${ours.fold_ms} ms`, `${y.fold.toFixed(0)} ms`, `${a.fold.toFixed(0)} ms`],
  ['an event on average', per(ours.fold_ms, WHOLE), per(y.fold, WHOLE), per(a.fold, few)],
  ['an event at the end', per(ours.last_thousand_ms, 1_000), per(y.last, 1_000), per(a.last, 1_000)],
  ['newest first', `${ours.backwards_ms} ms`, '', ''],
  ['bytes of an event (ours: sealed and signed twice)', `${ours.sealed_bytes}`, y.bytes.toFixed(0), a.bytes.toFixed(0)],
]);
print('Joining a room of 10,000 events', [
  ['', 'HealthSync'],
  ['opened, checked and folded', `${ours.join_ms} ms`],
  ['signatures checked a second', `${ours.signatures_per_s}`],
]);

// A relay with many people, and a browser that comes to a room in which much was said.
const PEOPLE = Number(process.env.BENCH_PEOPLE ?? 500);
const WRITERS = 20;
const SAID = Number(process.env.BENCH_EVENTS ?? 10_000);
const crowd = await manyPeople();

const started = performance.now();
const said = cargo(['test', '--quiet', '--release', '-p', 'healthsync-core', '--test', 'it', 'sim::'], { HEALTHSYNC_SEEDS: SEEDS });
if (!/test result: ok\. 1 passed/.test(said)) throw new Error(said);
const seconds = (performance.now() - started) / 1000;
console.log(`\nThe simulated network: ${SEEDS} seeds, every one of them converged, in ${seconds.toFixed(0)} s with the build.`);
await save({ healthsync: ours, yjs: y, automerge: a, crowd, seeds: Number(SEEDS) });

/** Connects a crowd of programs, has them talk, and lets a page come to what was said. */
async function manyPeople() {
  cargo(['build', '--quiet', '--release', '-p', 'healthsync-net', '--example', 'crowd']);
  const binary = path.join(process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target'), 'release/examples/crowd');
  const stack = await startStack();
  const browser = await p.launch();
  let talk;
  try {
    const key = generatePrivateKey();
    const [ada, ben] = [await p.person(browser, stack, { key }), await p.person(browser, stack)];
    await p.connect(ada);
    await p.connect(ben);
    const place = await p.createRoom(ada, 'A crowd');
    await p.addMember(ada, ben.address);
    const room = place.split('/').at(-1);
    const addresses = execFileSync(binary, ['addresses', String(PEOPLE)]).toString().trim().split('\n');
    const registry = new Registry(stack);
    for (let i = 0; i < addresses.length; i += 200) await registry.addAll(privateKeyToAccount(key), room, addresses.slice(i, i + 200));
    const master = Buffer.from((await masters(ada, room)).get(0)).toString('hex');
    await ada.page.goto('about:blank');
    await ben.page.goto('about:blank');

    const { peer_id: relay } = await (await fetch(`${stack.url}/api/bootstrap`)).json();
    const memory = async () => Number((await readFile(`/proc/${stack.serverPid}/status`, 'utf8')).match(/VmRSS:\s+(\d+)/)[1]) * 1000;
    const before = await memory();
    const words = ['talk', new URL(stack.url).host, relay, stack.chainId, room, PEOPLE, WRITERS, SAID];
    talk = spawn(binary, words.map(String), { env: { ...process.env, MASTER: master }, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: talk.stdout })[Symbol.asyncIterator]();
    const next = async () => {
      const { value, done } = await lines.next();
      if (done) throw new Error('the crowd has ended');
      return JSON.parse(value);
    };
    const joined = await next();
    const after = await memory();
    talk.stdin.write('\n');
    const heard = await next();
    const stored = await next();
    await once(talk, 'exit');

    // Readable: the newest message is on screen. Whole: nothing is missing any more.
    const newest = /Finding \d+: solid nodule/;
    const from = Date.now();
    await ben.page.goto(stack.url + place);
    await ben.page.getByTestId('message').filter({ hasText: newest }).first().waitFor({ timeout: 120_000 });
    const readable = Date.now() - from;
    await ben.page.waitForFunction(() => !/coming|fetching/.test(document.querySelector('#talk .panel-head [role=status]')?.textContent ?? ''), null, { timeout: 300_000 });
    const whole = Date.now() - from;

    const each = (after - before) / PEOPLE;
    print(`A relay with ${PEOPLE} people in one room (a debug build of it on the same machine)`, [
      ['', 'HealthSync'],
      ['all connected and joined', `${joined.joined_ms} ms`],
      ['memory of the server before, with them, for each', `${(before / 1e6).toFixed(0)} MB, ${(after / 1e6).toFixed(0)} MB, ${(each / 1e3).toFixed(0)} kB`],
      ['one speaks, the last of all others has heard, p50 and p95', `${heard.heard_p50_ms} ms, ${heard.heard_p95_ms} ms`],
      [`${stored.events} events by ${WRITERS} writers, each on disk before the next`, `${stored.per_second} a second`],
      ['handed over until it is stored, p50 and p95', `${stored.stored_p50_ms} ms, ${stored.stored_p95_ms} ms`],
    ]);
    print(`A browser comes to a room of ${stored.events} events, checking two signatures of each in WebAssembly`, [
      ['', 'HealthSync'],
      ['navigation until the newest can be read', `${readable} ms`],
      ['navigation until all of it is there', `${whole} ms`],
      ['signatures checked a second, everything else included', `${Math.round((2 * stored.events) / ((whole - 400) / 1000))}`],
    ]);
    return { before, after, ...joined, ...heard, ...stored, readable, whole };
  } finally {
    talk?.kill();
    await browser.close();
    await stack.stop();
  }
}
