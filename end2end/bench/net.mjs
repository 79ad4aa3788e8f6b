// Our relay beside one of js-libp2p, in the same run, with the same js-libp2p peers at both: from dialling to the first
// answer, a message from peer to peer, a burst, and what an idle connection weighs.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { peer, webrtcAddress, websocketAddress } from '../interop/peer.mjs';
import { enter, follow } from '../interop/room.mjs';
import { Registry } from '../lib/registry.mjs';
import { startStack } from '../stack.mjs';
import { kb, machine, ms, percentile, print, save } from './table.mjs';

const DIALS = Number(process.env.BENCH_DIALS ?? 20);
const MESSAGES = Number(process.env.BENCH_MESSAGES ?? 300);
const BURST = Number(process.env.BENCH_BURST ?? 900);
const CONNECTIONS = Number(process.env.BENCH_CONNECTIONS ?? 100);
const PAUSE_MS = 10;
const BYTES = 256;
const TRANSPORTS = ['websocket', 'webrtc-direct'];
const here = path.dirname(fileURLToPath(import.meta.url));
const { multiaddr } = await import('../interop/node_modules/@multiformats/multiaddr/dist/src/index.js');

const resident = async (pid) => Number((await readFile(`/proc/${pid}/status`, 'utf8')).match(/VmRSS:\s+(\d+)/)[1]) * 1000;

async function ours() {
  const stack = await startStack();
  const bootstrap = await (await fetch(`${stack.url}/api/bootstrap`)).json();
  const registry = new Registry(stack);
  const people = [1, 2].map(() => privateKeyToAccount(generatePrivateKey()));
  for (const one of people) await registry.fund(one);
  const room = await registry.create(people[0], [people[1].address]);
  return {
    name: 'HealthSync',
    pid: stack.serverPid,
    address: (transport) => (transport === 'websocket' ? websocketAddress(stack.url, bootstrap.peer_id) : webrtcAddress(bootstrap)),
    enter: (one, which) => enter(one, room, people[which]),
    // An ephemeral message, as typing is: passed on and not stored.
    first: 2,
    stop: () => stack.stop(),
  };
}

async function theirs() {
  const relay = spawn(process.execPath, [path.join(here, '../interop/relay.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface({ input: relay.stdout }), 'line');
  const addresses = JSON.parse(line);
  return {
    name: 'js-libp2p',
    pid: relay.pid,
    address: (transport) => multiaddr(addresses.find((address) => address.includes(transport === 'websocket' ? '/ws' : '/webrtc-direct'))),
    enter: async (one) => { await follow(one, 'bench'); return 'bench'; },
    first: 2,
    stop: async () => { relay.kill(); await once(relay, 'exit'); },
  };
}

/** A fresh node that has dialled and has had one answer, with the time that took. */
async function dial(relay, transport) {
  const node = await peer();
  await node.start();
  const from = performance.now();
  const connection = await node.dial(relay.address(transport));
  await node.services.ping.ping(connection.remotePeer);
  return { node, relay: connection.remotePeer, took: performance.now() - from };
}

/** Sends numbered messages from one to the other; how long each took, and how long all. */
async function send(relay, [from, to], topic, count, gap) {
  const sent = [];
  const took = [];
  let all;
  const heard = new Promise((done) => { all = done; });
  const listen = ({ detail }) => {
    if (detail.topic !== topic) return;
    const number = Buffer.from(detail.data).readUInt32BE(1);
    took.push(performance.now() - sent[number]);
    if (took.length === count) all();
  };
  to.node.services.pubsub.addEventListener('message', listen);
  const began = performance.now();
  for (let number = 0; number < count; number++) {
    const data = Buffer.concat([Buffer.from([relay.first, 0, 0, 0, 0]), randomBytes(BYTES - 5)]);
    data.writeUInt32BE(number, 1);
    sent.push(performance.now());
    await from.node.services.pubsub.publish(topic, data);
    if (gap) await pause(gap);
  }
  await Promise.race([heard, pause(15_000)]);
  to.node.services.pubsub.removeEventListener('message', listen);
  return { took, lost: count - took.length, all: performance.now() - began };
}

async function measure(relay, transport) {
  const dials = [];
  for (let i = 0; i < DIALS; i++) {
    const one = await dial(relay, transport);
    dials.push(one.took);
    await one.node.stop();
  }
  const pair = [await dial(relay, transport), await dial(relay, transport)];
  const topics = [await relay.enter(pair[0], 0), await relay.enter(pair[1], 1)];
  // Both are in each other's mesh by the next heartbeat.
  await send(relay, pair, topics[0], 20, 100);
  const single = await send(relay, pair, topics[0], MESSAGES, PAUSE_MS);
  // What the relay takes at once from one peer has filled up again.
  await pause(3_000);
  const burst = await send(relay, pair, topics[0], BURST, 0);
  const before = await resident(relay.pid);
  const idle = [];
  for (let i = 0; i < CONNECTIONS; i++) idle.push(await dial(relay, transport));
  const after = await resident(relay.pid);
  await Promise.all([...idle, ...pair].map((one) => one.node.stop()));
  return { dials, single: single.took, lost: single.lost, burst: burst.all, burstLost: burst.lost, each: (after - before) / CONNECTIONS };
}

console.log(machine());
const results = {};
for (const start of [ours, theirs]) {
  const relay = await start();
  try {
    for (const transport of TRANSPORTS) (results[transport] ??= {})[relay.name] = await measure(relay, transport);
  } finally {
    await relay.stop();
  }
}
for (const transport of TRANSPORTS) {
  const of = (read) => ['HealthSync', 'js-libp2p'].map((name) => read(results[transport][name]));
  print(`Relays over ${transport}, with the same js-libp2p peers`, [
    ['', 'HealthSync', 'js-libp2p'],
    ['dial to first answer, p50', ...of((r) => ms(percentile(r.dials, 50)))],
    ['dial to first answer, p95', ...of((r) => ms(percentile(r.dials, 95)))],
    ...[50, 95, 99].map((p) => [`${BYTES} B every ${PAUSE_MS} ms, p${p}`, ...of((r) => ms(percentile(r.single, p)))]),
    ['of them lost', ...of((r) => `${r.lost} of ${MESSAGES}`)],
    [`${BURST} at once, the last after`, ...of((r) => ms(r.burst))],
    ['of them lost', ...of((r) => `${r.burstLost} of ${BURST}`)],
    [`memory of a connection (${CONNECTIONS})`, ...of((r) => kb(r.each))],
  ]);
}
await save(results);
process.exit(0);
