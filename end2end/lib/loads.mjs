// Page loads and what becomes of them: when the first stream that the server opens has brought its first byte, by which
// transport the page is connected in the end, and whether anything broke.
import * as p from './people.mjs';

/** In the page: milliseconds from the navigation to the first byte on a channel that the other side has opened. */
const LISTEN = () => {
  const kind = window.RTCPeerConnection?.prototype;
  if (!kind) return;
  const { set, ...rest } = Object.getOwnPropertyDescriptor(kind, 'ondatachannel');
  Object.defineProperty(kind, 'ondatachannel', {
    ...rest,
    set(take) {
      set.call(this, take && ((e) => {
        e.channel.addEventListener('message', () => { window.__firstStream ??= performance.now(); }, { once: true });
        take.call(this, e);
      }));
    },
  });
};

/**
 * Loads the same page again and again, each time as a new document with a node of its own.
 *
 * @returns {Promise<{ first: number[], usable: number[], transports: Record<string, number>, errors: string[] }>}
 *   `first` has an entry for each load in which the server's stream came within `patience`
 */
export async function loads(browser, stack, { count, prefer = 'webrtc', patience = 10_000 }) {
  const me = await p.person(browser, stack, { wallet: 'demo' });
  await me.context.addInitScript(LISTEN);
  await me.context.addInitScript((prefer) => localStorage.setItem('healthsync.transport', prefer), prefer);
  const found = { first: [], usable: [], transports: {}, errors: me.errors };
  for (let i = 0; i < count; i++) {
    await me.page.goto(stack.url + '/');
    const transport = await p.transport(me);
    found.usable.push(await me.page.evaluate(() => performance.now()));
    found.transports[transport] = (found.transports[transport] ?? 0) + 1;
    if (transport !== 'webrtc') continue;
    const first = await me.page.waitForFunction(() => window.__firstStream, null, { timeout: patience }).then((at) => at.jsonValue(), () => null);
    if (first !== null) found.first.push(first);
  }
  await me.context.close();
  return found;
}
