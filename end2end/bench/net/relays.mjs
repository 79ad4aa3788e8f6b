// The two relays that `../net.mjs` measures, and what each kind of page is told of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { peer, webrtcAddress, websocketAddress } from '../../interop/peer.mjs';
import { Registry } from '../../lib/registry.mjs';
import { startStack } from '../../stack.mjs';

const INTEROP = path.join(import.meta.dirname, '../../interop');
const { multiaddr } = await import('../../interop/node_modules/@multiformats/multiaddr/dist/src/index.js');

/** People in the room: somebody new for each page and each burst, since our server takes 2,000 events at once from one. */
const PEOPLE = 20;

/** The server with its mailbox, and a room. */
export async function ours() {
  const stack = await startStack();
  const registry = new Registry(stack);
  const wallets = Array.from({ length: PEOPLE }, generatePrivateKey);
  const [owner, ...others] = wallets.map((wallet) => privateKeyToAccount(wallet));
  await registry.fund(owner);
  const room = await registry.create(owner, others.map(({ address }) => address));
  const bootstrap = await (await fetch(`${stack.url}/api/bootstrap`)).json();
  return {
    name: 'HealthSync',
    page: 'ours',
    get pid() { return stack.serverPid; },
    address: (transport) => (transport === 'websocket' ? websocketAddress(stack.url, bootstrap.peer_id) : webrtcAddress(bootstrap)),
    forPage: (transport) => ({ transport, port: Number(new URL(stack.url).port), webrtc: String(webrtcAddress(bootstrap)), peer: bootstrap.peer_id }),
    who: () => ({ wallet: wallets.pop(), room, chain: stack.chainId }),
    restart: () => stack.restartServer(),
    stop: () => stack.stop(),
  };
}

export async function theirs() {
  let process_; let addresses;
  const start = async () => {
    process_ = spawn(process.execPath, [path.join(INTEROP, 'relay.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(createInterface({ input: process_.stdout }), 'line');
    addresses = JSON.parse(line);
  };
  const stop = async () => { process_.kill(); await once(process_, 'exit'); };
  const address = (transport) => multiaddr(addresses.find((one) => one.includes(transport === 'websocket' ? '/ws' : '/webrtc-direct')));
  await start();
  return {
    name: 'js-libp2p',
    page: 'theirs',
    get pid() { return process_.pid; },
    address,
    forPage: (transport) => ({ address: String(address(transport)) }),
    who: () => null,
    restart: async () => { await stop(); await start(); },
    stop,
  };
}

/** A node in this process, connected to the relay. */
export async function connected(relay, transport) {
  const node = await peer();
  await node.start();
  const connection = await node.dial(relay.address(transport));
  await node.services.ping.ping(connection.remotePeer);
  return node;
}
