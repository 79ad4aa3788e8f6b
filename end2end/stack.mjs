// A private instance for one test file or benchmark: its own local chain, contracts, server, data folder and ports.
// `cargo xtask test` and `cargo xtask bench` build everything and name it in HEALTHSYNC_BIN, HEALTHSYNC_SITE_ROOT and
// ANVIL; started by hand, the usual places are taken.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target');
export const SERVER = process.env.HEALTHSYNC_BIN ?? path.join(TARGET, 'debug/healthsync');
const SITE = process.env.HEALTHSYNC_SITE_ROOT ?? path.join(TARGET, 'site');
const ANVIL = process.env.ANVIL ?? path.join(ROOT, 'contracts/node_modules/.bin/anvil');

export const CHAIN_ID = 31337;
// anvil has it from the start, whatever chain it plays.
const LOCAL_FACTORY = '0x4e59b44847b379578588920cA78FbF26c0B4956C';
// The first of anvil's accounts: public knowledge, worth nothing anywhere else.
const DEPLOYER_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const READY_WITHIN = 60_000;
const STOPPED_WITHIN = 15_000;

/** Every process started here and not yet gone, and every folder made; none outlives this process. */
const alive = new Set();
const folders = new Set();
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/**
 * Starts everything and answers when the server is ready.
 *
 * @param {object} [options]
 * @param {Record<string, string>} [options.env] settings of the server beside the usual ones, e.g. HEALTHSYNC_MAX_UPLOAD
 * @param {string[]} [options.anvilArgs] e.g. ['--block-time', '2']
 * @param {number} [options.chainId] another one than the local chain's usual, e.g. Calibration's
 * @param {number} [options.keyNodes] how many of the five key nodes are processes of their own
 */
export async function startStack({ env = {}, anvilArgs = [], chainId = CHAIN_ID, keyNodes = 0 } = {}) {
  const root = await mkdtemp(path.join(tmpdir(), 'healthsync-'));
  folders.add(root);
  const stack = new Stack(root, env, anvilArgs, chainId);
  try {
    await mkdir(stack.dataDir);
    await mkdir(stack.logDir);
    await stack.startChain();
    Object.assign(stack, await deploy(stack.rpcUrl, chainId));
    await Promise.all(Array.from({ length: keyNodes }, (_, i) => stack.startKeyNode(i + 1)));
    await stack.startServer();
    return stack;
  } catch (error) {
    await stack.stop().catch(() => {});
    throw error;
  }
}

class Stack {
  #root; #env; #anvilArgs; #chain; #server; #port; #webrtcPort; #crashes = []; #keyNodes = new Map(); #beside = [];

  constructor(root, env, anvilArgs, chainId) {
    this.chainId = chainId;
    this.#root = root;
    this.#env = env;
    this.#anvilArgs = anvilArgs;
    this.dataDir = path.join(root, 'data');
    this.logDir = path.join(root, 'logs');
  }

  get url() { return `http://127.0.0.1:${this.#port}`; }
  get serverPid() { return this.#server?.pid; }
  get serverLog() { return path.join(this.logDir, 'server.log'); }

  async startChain() {
    for (let attempt = 1; ; attempt++) {
      const port = await freePort();
      const rpcUrl = `http://127.0.0.1:${port}`;
      const args = ['--host', '127.0.0.1', '--port', port, '--chain-id', this.chainId, '--hardfork', 'cancun', '--silent', ...this.#anvilArgs];
      const chain = new Service('anvil', ANVIL, args.map(String), {}, path.join(this.logDir, 'anvil.log'), this.#root);
      try {
        await chain.ready(async () => (await rpc(rpcUrl, 'eth_chainId')) === `0x${this.chainId.toString(16)}`);
        this.#chain = chain;
        this.rpcUrl = rpcUrl;
        return;
      } catch (error) {
        await chain.stop('SIGKILL');
        // Somebody else may have taken the port between the look and the start.
        if (attempt === 3 || !/in use/i.test(chain.lastLines())) throw error;
      }
    }
  }

  /** Starts key node `number` as a process of its own, on the same port and data as before when it has run before. */
  async startKeyNode(number, env = {}) {
    const before = this.#keyNodes.get(number);
    for (let attempt = 1; ; attempt++) {
      const port = before?.port ?? await freePort();
      const node = new Service(`key node ${number}`, SERVER, ['--role', 'key-node', '--node', String(number)], {
        HEALTHSYNC_ADDR: `127.0.0.1:${port}`,
        HEALTHSYNC_DATA_DIR: path.join(this.#root, `key-node-${number}`),
        HEALTHSYNC_CHAIN_RPC: this.rpcUrl,
        HEALTHSYNC_CHAIN_ID: String(this.chainId),
        ...env,
      }, path.join(this.logDir, `key-node-${number}.log`), this.#root);
      try {
        await node.ready(async () => (await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2_000) })).ok);
        this.#keyNodes.set(number, { port, service: node, url: `http://127.0.0.1:${port}` });
        return;
      } catch (error) {
        await node.stop('SIGKILL');
        if (before || attempt === 3 || !/in use/i.test(node.lastLines())) throw error;
      }
    }
  }

  keyNode(number) { return this.#keyNodes.get(number); }

  /** Ends a key node without warning. */
  killKeyNode(number) { return this.#keyNodes.get(number).service.stop('SIGKILL'); }

  /** Stops a key node in the middle of whatever it does, and lets it go on: connections stay open and nothing comes. */
  freezeKeyNode(number) { process.kill(this.#keyNodes.get(number).service.pid, 'SIGSTOP'); }
  thawKeyNode(number) { process.kill(this.#keyNodes.get(number).service.pid, 'SIGCONT'); }

  /** Starts the server, on the same ports and data as before when it has run before. */
  async startServer() {
    if (this.#server?.running) throw new Error('The server is running already.');
    if (this.#server?.endedByItself) this.#crashes.push(this.#server.obituary());
    const first = this.#port === undefined;
    for (let attempt = 1; ; attempt++) {
      if (first) {
        this.#port = await freePort();
        this.#webrtcPort = await freePort();
      }
      const server = new Service('the server', SERVER, [], {
        HEALTHSYNC_ADDR: `127.0.0.1:${this.#port}`,
        HEALTHSYNC_DATA_DIR: this.dataDir,
        HEALTHSYNC_SITE_ROOT: SITE,
        HEALTHSYNC_CHAIN_RPC: this.rpcUrl,
        HEALTHSYNC_CHAIN_ID: String(this.chainId),
        HEALTHSYNC_REGISTRY: this.registry,
        HEALTHSYNC_TOKEN: this.token,
        HEALTHSYNC_P2P_WEBRTC_PORT: String(this.#webrtcPort),
        HEALTHSYNC_KEY_NODES: this.#keyNodes.size ? [1, 2, 3, 4, 5].map((n) => this.#keyNodes.get(n)?.url ?? 'here').join(',') : '',
        ...this.#env,
      }, this.serverLog, this.#root);
      try {
        await server.ready(async () => (await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(2_000) })).ok);
        this.#server = server;
        return;
      } catch (error) {
        await server.stop('SIGKILL');
        if (!first || attempt === 3 || !/in use/i.test(server.lastLines())) {
          if (first) this.#port = undefined;
          throw error;
        }
      }
    }
  }

  /** A second server of the same rooms, with data, log and ports of its own. It ends with this stack. */
  async startBeside(env = {}) {
    const other = new Stack(this.#root, env, [], this.chainId);
    const { rpcUrl, registry, token } = this;
    const number = this.#beside.length + 2;
    const folders = { dataDir: path.join(this.#root, `data-${number}`), logDir: path.join(this.#root, `logs-${number}`) };
    Object.assign(other, { rpcUrl, registry, token, ...folders });
    other.#keyNodes = this.#keyNodes;
    await mkdir(other.dataDir);
    await mkdir(other.logDir);
    this.#beside.push(other);
    await other.startServer();
    return other;
  }

  /** Asks the server to stop, as an operator does, and waits until it has. */
  stopServer() { return this.#server.stop('SIGTERM'); }

  /** Ends the server without warning, as a crash or a power cut does. */
  killServer() { return this.#server.stop('SIGKILL'); }

  /** With other settings, if any are given. */
  async restartServer(env = {}) {
    await this.stopServer();
    this.#env = { ...this.#env, ...env };
    await this.startServer();
  }

  /** Ends everything and removes the data. Throws when a process had ended by itself or panicked: it is not to be missed. */
  async stop() {
    const nodes = [...this.#keyNodes.values()].map(({ service }) => service);
    const servers = [this, ...this.#beside].map((stack) => stack.#server);
    await Promise.all(servers.map((server) => server?.stop('SIGTERM')));
    await Promise.all(nodes.map((node) => node.stop('SIGTERM')));
    await this.#chain?.stop('SIGTERM');
    for (const other of this.#beside) this.#crashes.push(...other.#crashes);
    for (const service of [...servers, this.#chain, ...nodes]) if (service?.endedByItself) this.#crashes.push(service.obituary());
    for (const service of [...servers, ...nodes]) this.#crashes.push(...(service?.panics() ?? []));
    if (this.#crashes.length) throw new Error(this.#crashes.join('\n'));
    await rm(this.#root, { recursive: true, force: true });
    folders.delete(this.#root);
  }
}

/** One process, with its output in a log. */
class Service {
  #child; #name; #log; #asked = false; #exited; #failure;

  constructor(name, program, args, env, log, cwd) {
    this.#name = name;
    this.#log = log;
    const output = openSync(log, 'a');
    this.#child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', output, output] });
    closeSync(output);
    alive.add(this.#child);
    this.#exited = new Promise((done) => {
      this.#child.once('error', (error) => { this.#failure = error; alive.delete(this.#child); done(); });
      this.#child.once('exit', () => { alive.delete(this.#child); done(); });
    });
  }

  get pid() { return this.#child.pid; }
  get running() { return alive.has(this.#child); }
  /** It ended unasked, or while it was being asked, with a code that says so (a panic's is 101). */
  get endedByItself() { return !this.running && (!this.#asked || Boolean(this.#child.exitCode)); }

  /** Waits until `answers` gives true; a refused connection counts as "not yet". */
  async ready(answers) {
    const deadline = Date.now() + READY_WITHIN;
    for (;;) {
      if (await answers().catch(() => false)) return;
      if (!this.running) throw new Error(this.obituary());
      if (Date.now() > deadline) throw new Error(`${this.#name} does not answer after ${READY_WITHIN / 1000} s:\n${this.lastLines()}`);
      await Promise.race([this.#exited, pause(25)]);
    }
  }

  async stop(signal) {
    if (!this.running) return;
    this.#asked = true;
    this.#child.kill(signal);
    const late = new AbortController();
    const gone = await Promise.race([
      this.#exited.then(() => true),
      pause(STOPPED_WITHIN, false, { signal: late.signal }).catch(() => true),
    ]);
    late.abort();
    if (!gone) {
      this.#child.kill('SIGKILL');
      await this.#exited;
      throw new Error(`${this.#name} had not stopped ${STOPPED_WITHIN / 1000} s after ${signal}:\n${this.lastLines()}`);
    }
  }

  obituary() {
    const { exitCode, signalCode } = this.#child;
    const how = this.#failure?.message ?? signalCode ?? `exit code ${exitCode}`;
    return `${this.#name} has stopped by itself (${how}):\n${this.lastLines()}`;
  }

  /** Where it panicked and why. The server answers such a request with a 500 and goes on. */
  panics() {
    const lines = readFileSync(this.#log, 'utf8').split('\n');
    return lines.flatMap((line, i) => (/^thread .* panicked at /.test(line) ? [`${this.#name}: ${lines.slice(i, i + 2).join(' ')}`] : []));
  }

  lastLines(count = 20) {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-count).map((line) => `    ${line}`).join('\n');
  }
}

async function deploy(rpcUrl, chainId) {
  const child = spawn(process.execPath, ['deploy.mjs'], {
    cwd: path.join(ROOT, 'contracts'),
    env: {
      PATH: process.env.PATH, CHAIN_RPC: rpcUrl, CHAIN_ID: String(chainId), DEPLOYER_KEY, CREATE2_FACTORY: LOCAL_FACTORY,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  alive.add(child);
  let [out, errors] = ['', ''];
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { errors += data; });
  const [code] = await once(child, 'close');
  alive.delete(child);
  if (code !== 0) throw new Error(`The contracts could not be deployed:\n${errors}`);
  const { registry, token } = JSON.parse(out);
  return { registry, token };
}

export async function rpc(url, method, params = []) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(10_000),
  });
  const { result, error } = await answer.json();
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

/** A port free for TCP and UDP, below the range from which systems take ports for outgoing connections. */
async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (await binds(createServer(), (server) => server.listen(port, '127.0.0.1'), 'listening')
      && await binds(createSocket('udp4'), (socket) => socket.bind(port), 'listening')) return port;
  }
}

async function binds(socket, bind, event) {
  try {
    bind(socket);
    await once(socket, event);
  } catch {
    try { socket.close(); } catch { /* it never opened */ }
    return false;
  }
  const closed = once(socket, 'close');
  socket.close();
  await closed;
  return true;
}
