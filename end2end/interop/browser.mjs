// Opens js-libp2p in a page of its own, and what a test can ask of it.
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { build } from 'esbuild';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import path from 'node:path';

let served;

/** The page's address: from a real server, since Chromium lets no page of unknown origin reach this machine. */
const serve = async () => {
  const script = await bundled(path.join(import.meta.dirname, 'page.mjs'));
  const server = createServer((request, response) => {
    const [type, body] = request.url === '/page.js' ? ['text/javascript', script] : ['text/html', '<!doctype html><title>js-libp2p</title><script src="/page.js"></script>'];
    response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  return `http://127.0.0.1:${server.address().port}/`;
};

/** A script and all that it imports, but not what the server has at `external`. */
export const bundled = async (script, external = []) => {
  const { outputFiles } = await build({
    entryPoints: [script],
    external,
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: 'chrome140',
    logLevel: 'error',
  });
  return outputFiles[0].text;
};

/** A key whose peer id `fits`. */
export async function keyWith(fits = () => true) {
  for (;;) {
    const key = await generateKeyPair('Ed25519');
    if (fits(peerIdFromPrivateKey(key))) return key;
  }
}

export class Other {
  #page; #reports = []; #news = new EventEmitter().setMaxListeners(0);
  errors = [];

  /** A node with this key, not connected to anybody. */
  static async open(browser, key) {
    const other = new Other();
    other.id = peerIdFromPrivateKey(key);
    const context = await browser.newContext();
    const page = other.#page = await context.newPage();
    page.on('pageerror', (error) => other.errors.push(String(error)));
    await page.exposeFunction('report', (report) => other.#take(report));
    await page.goto(await (served ??= serve()));
    await other.#call('start', Buffer.from(key.raw).toString('base64'));
    return other;
  }

  close() { return this.#page.context().close(); }

  #call(name, ...words) {
    return this.#page.evaluate(([name, words]) => globalThis.other[name](...words), [name, words]);
  }

  #take(report) {
    this.#reports.push(report);
    this.#news.emit('report');
  }

  /** All reports: those that have come, then those that come. */
  async *reports() {
    for (let i = 0; ; i++) {
      while (i >= this.#reports.length) await once(this.#news, 'report');
      yield this.#reports[i];
    }
  }

  /** The first report that `wanted` takes. */
  async reported(wanted) {
    for await (const report of this.reports()) if (wanted(report)) return report;
  }

  /** What is said on a topic. */
  async *gossip(topic) {
    for await (const { kind, topic: by, data } of this.reports()) if (kind === 'gossip' && by === topic) yield decoded(data);
  }

  /** The first gossip message of a topic that `wanted` takes. */
  async hears(topic, wanted) {
    for await (const data of this.gossip(topic)) if (wanted(data)) return data;
  }

  dial(address) { return this.#call('dial', String(address)); }
  ping(peer) { return this.#call('ping', peer); }
  async ask(peer, question) { return decoded(await this.#call('ask', peer, encoded(question))); }
  follow(relay, topic) { return this.#call('follow', relay, topic); }
  publish(topic, data) { return this.#call('publish', topic, encoded(data)); }
  reserve(relay) { return this.#call('reserve', relay); }
  call(relay, peer) { return this.#call('call', relay, peer); }
  listen(protocol) { return this.#call('listen', protocol); }
  say(peer, protocol, data) { return this.#call('say', peer, protocol, encoded(data)); }
  async discuss(peer, protocol, questions) { return (await this.#call('discuss', peer, protocol, questions.map(encoded))).map(decoded); }
  answer(protocol, known) { return this.#call('answer', protocol, known.map((pair) => pair.map(encoded))); }

  async pingedBy(peer) { await this.#page.waitForFunction((peer) => globalThis.other.isPingedBy(peer), peer); }
}

const encoded = (bytes) => Buffer.from(bytes).toString('base64');
export const decoded = (text) => Buffer.from(text, 'base64');
