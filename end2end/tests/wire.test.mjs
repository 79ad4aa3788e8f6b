// What a broken or hostile other side does on the wire: the page says which rule was broken and goes on by what is left; the
// relay ends what is not as agreed, serves everybody else meanwhile, and its memory comes back.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { peer, websocketAddress } from '../interop/peer.mjs';
import { mislead } from '../lib/line.mjs';
import * as people from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

const MB = 1_000_000;

describe('the wire', { timeout: 240_000 }, () => {
  let stack, browser, bootstrap;
  before(async () => {
    stack = await startStack();
    browser = await people.launch();
    bootstrap = await (await fetch(`${stack.url}/api/bootstrap`)).json();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  /** A visitor whose page is told something else about the relay. */
  const misled = async (told, instead) => {
    const me = await people.person(browser, stack, { wallet: 'demo' });
    await mislead(me, told, instead);
    return me;
  };
  const metric = async (name) => {
    const text = await (await fetch(`${stack.url}/metrics`)).text();
    return Number(text.match(new RegExp(`^${name} (\\S+)$`, 'm'))[1]);
  };
  const resident = async () => Number((await readFile(`/proc/${stack.serverPid}/status`, 'utf8')).match(/VmRSS:\s+(\d+)/)[1]) * 1024;

  it('a relay with another certificate is not spoken to: the page connects by WebSocket and says that WebRTC failed', async () => {
    const [, hash] = bootstrap.addresses.find((address) => address.includes('certhash')).match(/certhash\/(u[\w-]+)/);
    const digest = Buffer.from(hash.slice(1), 'base64url');
    digest[digest.length - 1] ^= 1;
    const me = await misled(hash, `u${digest.toString('base64url')}`);
    await people.open(me, '/');
    assert.equal(await people.transport(me), 'websocket');
    await me.page.getByTestId('network-status').first().click();
    await me.page.getByText(/^WebRTC failed .*; WebSocket is used\.$/).first().waitFor();
    await me.context.close();
  });

  it('a relay that cannot prove its peer id is not spoken to: the page says that it is another', async () => {
    const other = await peer();
    const another = other.peerId.toString();
    await other.stop();
    const me = await misled(bootstrap.peer_id, another);
    await people.open(me, '/');
    await me.page.locator('[data-testid=network-status][data-state=offline]').first().waitFor();
    await me.page.getByTestId('network-status').first().click();
    await me.page.getByText("Another server answers at the relay's address; it is not trusted.").first().waitFor();
    await me.context.close();
  });

  it('sockets that send nonsense, too much or nothing are ended, and nobody else notices', async () => {
    const me = await people.person(browser, stack, { wallet: 'demo' });
    await people.open(me, '/');
    await people.transport(me);
    const before = await metric('healthsync_connections');
    const sockets = Array.from({ length: 120 }, () => new WebSocket(stack.url.replace('http', 'ws') + '/p2p'));
    const ended = sockets.map((socket, i) => new Promise((end) => {
      socket.on('close', end);
      socket.on('error', () => {});
      socket.on('open', () => {
        if (i % 4 === 0) socket.send(randomBytes(200));
        if (i % 4 === 1) socket.send(Buffer.concat([Buffer.from([0x13]), Buffer.from('/multistream/1.0.0\n'), Buffer.alloc(5_000, 0xff)]));
        if (i % 4 === 2) socket.send(Buffer.alloc(2 * MB));
        // Each fourth says nothing at all.
      });
    }));
    await Promise.all(ended);
    assert.equal(await metric('healthsync_connections'), before);
    assert.match(await people.transport(me), /^w/);
    people.clean(me);
    await me.context.close();
  });

  it('ten thousand streams at once end in refusals and not in memory', async () => {
    const node = await peer();
    await node.start();
    const connection = await node.dial(websocketAddress(stack.url, bootstrap.peer_id));
    const before = await resident();
    for (let i = 0; i < 10_000; i += 100) {
      await Promise.allSettled(Array.from({ length: 100 }, () => connection.newStream('/healthsync/sync/1', { signal: AbortSignal.timeout(3_000), maxOutboundStreams: 100_000 })));
    }
    const me = await people.person(browser, stack, { wallet: 'demo' });
    await people.open(me, '/');
    assert.match(await people.transport(me), /^w/, 'others are served meanwhile');
    await node.stop();
    while (await metric('healthsync_connections') > 1) await new Promise((again) => setImmediate(again));
    const grown = await resident() - before;
    assert.ok(grown < 50 * MB, `the server has grown by ${grown} bytes`);
    people.clean(me);
  });
});
