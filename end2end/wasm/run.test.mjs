// Runs the Rust tests that are compiled to WebAssembly (`crates/browser-tests`) in a real Chromium: one page for all,
// an instance of its own for each test, since a panic ends an instance. `cargo xtask test wasm` builds them and names
// their folder in HEALTHSYNC_WASM_TESTS, and in HEALTHSYNC_ECHO the native peer of the network's tests.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, it } from 'node:test';
import { WebSocketServer } from 'ws';
import { launch } from '../lib/people.mjs';

const FOLDER = process.env.HEALTHSYNC_WASM_TESTS ?? path.join(import.meta.dirname, '../../target/xtask/wasm-tests');
const ECHO = process.env.HEALTHSYNC_ECHO ?? path.join(import.meta.dirname, '../../target/debug/examples/echo');
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

const server = createServer(async (request, response) => {
  const name = path.basename(new URL(request.url, 'http://x').pathname);
  const body = name ? await readFile(path.join(FOLDER, name)).catch(() => null) : '<!doctype html><title>Tests</title>';
  response.writeHead(body === null ? 404 : 200, { 'content-type': TYPES[path.extname(name)] ?? 'text/html' }).end(body);
});

/** What answers where a relay should be. Its path says what it does. */
const badRelay = new WebSocketServer({ server });
badRelay.on('connection', (socket, request) => {
  socket.on('error', () => {});
  switch (request.url) {
    case '/text': return socket.send('good morning');
    case '/noise': return socket.send(Buffer.alloc(5000, 0xa7));
    case '/hangs-up': return socket.terminate();
    default: return socket.close(1011);
  }
});

/** What answers gossip, by our own listener. */
const echo = spawn(ECHO, [], { stdio: ['ignore', 'pipe', 'inherit'] });
/** The same by js-libp2p, in a process of its own. */
const others = spawn(process.execPath, [path.join(import.meta.dirname, '../interop/echo.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => { echo.kill(); others.kill(); });
const [[echoAddress], [othersAddresses]] = await Promise.all([echo, others].map((peer) => once(createInterface({ input: peer.stdout }), 'line')));

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address();
const browser = await launch();
const page = await browser.newPage();
let said = [];
page.on('console', (message) => said.push(message.text()));
await page.goto(`http://127.0.0.1:${port}/`);
const names = await page.evaluate(async ([badRelay, echo, others]) => {
  Object.assign(globalThis, { badRelay, echo, others });
  const tests = await import('/tests.js');
  return Object.keys(tests).filter((name) => name.startsWith('test_'));
}, [port, echoAddress, JSON.parse(othersAddresses)]);

describe('Rust in Chromium', { timeout: 240_000 }, () => {
  after(async () => {
    await browser.close();
    echo.kill();
    others.kill();
    badRelay.close();
    server.close();
    server.closeAllConnections();
  });

  it('has tests', () => assert.ok(names.length > 15, names.join(' ')));

  for (const name of names) {
    it(name.slice('test_'.length).replaceAll('_', ' '), async () => {
      said = [];
      const failure = await page.evaluate(async (name) => {
        // A query of its own makes it a module, and with it an instance, of its own.
        const tests = await import(`/tests.js?${name}`);
        const trapped = new Promise((fail) => {
          addEventListener('error', (event) => fail(String(event.error)), { once: true });
        });
        try {
          await tests.default({ module_or_path: '/tests_bg.wasm' });
          return await Promise.race([Promise.resolve(tests[name]()).then(() => null), trapped]);
        } catch (error) {
          return String(error);
        }
      }, name);
      assert.equal(failure, null, said.join('\n'));
    });
  }
});
