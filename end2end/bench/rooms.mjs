// The room's log beside two general mergeable documents that hold the same history: `cargo xtask bench rooms`.
// Ours checks signatures, delegations and rules on every event, and seals; theirs do none of that. Native code against
// JavaScript (Yjs) and WebAssembly (Automerge), on this machine, one thread each.
import { execFileSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as A from '@automerge/automerge';
import * as Y from 'yjs';
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
const started = performance.now();
const said = cargo(['test', '--quiet', '--release', '-p', 'healthsync-core', '--test', 'it', 'sim::'], { HEALTHSYNC_SEEDS: SEEDS });
if (!/test result: ok\. 1 passed/.test(said)) throw new Error(said);
const seconds = (performance.now() - started) / 1000;
console.log(`\nThe simulated network: ${SEEDS} seeds, every one of them converged, in ${seconds.toFixed(0)} s with the build.`);
await save({ healthsync: ours, yjs: y, automerge: a, seeds: Number(SEEDS) });
