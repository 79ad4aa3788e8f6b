// A wallet for tests, made of MetaMask's own libraries: the provider it injects, its request pipeline, its
// parameter checks, its signing. Keys, chains and the person who approves are ours. Its windows and words
// are not tested by it.
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Approvals } from './approvals.mjs';
import { Engine } from './engine.mjs';

const ICON = `data:image/svg+xml,${encodeURIComponent('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path fill="#f6851b" d="M0 0h8v8H0z"/></svg>')}`;
// Longer than a slow machine needs to render a page, shorter than a test file's own limit.
const ASKED_WITHIN = 20_000;

let bundled;

/**
 * Puts a wallet into every page of a browser context, before the first page is opened.
 *
 * @param {object} options
 * @param {import('playwright-core').BrowserContext} options.context
 * @param {`0x${string}`} options.privateKey the account
 * @param {string} options.rpcUrl the chain that the wallet knows and has chosen
 * @param {number} options.chainId its id
 * @param {boolean} [options.autoApprove] approves everything at once; otherwise `approve` and `reject` decide
 * @param {boolean} [options.announced] whether EIP-6963 announces it; otherwise it is window.ethereum only
 * @param {boolean} [options.switchOnAdd] whether adding a chain also switches to it; wallets differ
 * @param {string} [options.name] the announced name
 * @param {string} [options.rdns] the announced reverse domain name
 */
export async function createWallet({
  context, privateKey, rpcUrl, chainId, autoApprove = true, announced = true, switchOnAdd = true, name = 'MetaMask', rdns = 'io.metamask',
}) {
  const mark = randomUUID().replaceAll('-', '');
  const binding = `__walletSend${mark}`;
  const receiver = `__walletReceive${mark}`;
  const info = announced ? { uuid: randomUUID(), name, rdns, icon: ICON } : null;

  /** The documents that hold a provider: by frame, as a frame shows one at a time. */
  const documents = new Map();
  const tell = async ({ frame, session }, message) => {
    const text = JSON.stringify(message);
    try {
      await frame.evaluate(([receiver, session, text]) => window[receiver]?.(session, text), [receiver, session, text]);
    } catch {
      // The document went away meanwhile, and its answer with it.
    }
  };
  const approvals = new Approvals(autoApprove);
  const engine = new Engine({
    privateKey, rpcUrl, chainId, approvals, switchOnAdd,
    notify(origin, method, params) {
      for (const document of documents.values()) {
        if (origin === undefined || document.origin === origin) tell(document, { jsonrpc: '2.0', method, params });
      }
    },
  });

  await context.exposeBinding(binding, async ({ frame, page }, text) => {
    const { session, message } = JSON.parse(text);
    let document = documents.get(frame);
    if (document?.session !== session) {
      if (document) approvals.forget(document);
      else page.once('close', () => { approvals.forget(documents.get(frame)); documents.delete(frame); });
      document = { frame, session, origin: new URL(frame.url()).origin };
      documents.set(frame, document);
    }
    // Not awaited: the page's write must not wait for a person.
    engine.handle(message, document.origin, document).then((answer) => tell(document, answer));
  });
  await context.addInitScript({ content: `(() => { const __WALLET__ = ${JSON.stringify({ binding, receiver, info })};\n${await pageScript()} })();` });

  const answer = async (method, decide) => {
    decide(approvals.take(await approvals.next(method, ASKED_WITHIN)));
  };
  return {
    /** The account, checksummed. */
    get address() { return engine.address; },
    /** The chosen chain, a number. */
    get chainId() { return engine.chainId; },
    /** Names of the methods that pages called, in order. */
    log: engine.log,
    get autoApprove() { return approvals.auto; },
    set autoApprove(on) { approvals.auto = on; },
    /** What waits for the person now. */
    waiting: () => approvals.list(),
    /** Resolves once a page waits for this method, with { method, params, origin }. */
    async pending(method) {
      const { params, origin } = await approvals.next(method, ASKED_WITHIN);
      return { method, params, origin };
    },
    /** Approves the first waiting request of this method, as soon as there is one. */
    approve: (method) => answer(method, (question) => question.approve()),
    /** Approves it with the key of another account than the one that was asked for. */
    approveAs: (method, key) => answer(method, (question) => question.approve(Buffer.from(key.slice(2), 'hex'))),
    /** Rejects it: the page gets 4001. */
    reject: (method) => answer(method, (question) => question.reject()),
    /** The person chooses another account; connected pages learn it. */
    setAccount: (key) => engine.setAccount(key),
    /** The person chooses another chain that the wallet knows. */
    setChain: (id) => engine.setChain(id),
    /** The wallet locks itself, or the person unlocks it. */
    lock: () => engine.lock(true),
    unlock: () => engine.lock(false),
    /** Answers nothing until the function that this gives is called. */
    hold: () => engine.hold(),
    /** The person disconnects all pages. */
    disconnect: () => engine.disconnect(),
  };
}

/** The page's part, bundled once for all wallets of this process. */
function pageScript() {
  const here = (file) => fileURLToPath(new URL(file, import.meta.url));
  bundled ??= build({
    entryPoints: [here('page.js')], inject: [here('shim.js')], define: { global: 'window' },
    bundle: true, write: false, format: 'iife', platform: 'browser', target: 'es2022', logLevel: 'error',
  }).then(({ outputFiles }) => outputFiles[0].text);
  return bundled;
}
