// js-libp2p, written by others, as a peer of our relay: over WebSocket and over WebRTC-direct it connects, identifies, pings,
// joins a room by what docs/network.md says, and talks by gossipsub in both directions; and it hears what a page says.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { peer, webrtcAddress, websocketAddress } from '../interop/peer.mjs';
import { enter, hears } from '../interop/room.mjs';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import * as people from '../lib/people.mjs';
import { Registry } from '../lib/registry.mjs';
import { envelopes, masters, openWith } from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

describe('js-libp2p and our relay', { timeout: 180_000 }, () => {
  let stack, registry, bootstrap, browser;
  const nodes = [];
  before(async () => {
    stack = await startStack();
    registry = new Registry(stack);
    bootstrap = await (await fetch(`${stack.url}/api/bootstrap`)).json();
  });
  after(async () => {
    await browser?.close();
    await Promise.all(nodes.map((node) => node.stop()));
    await stack?.stop();
  });

  const addresses = () => ({
    websocket: websocketAddress(stack.url, bootstrap.peer_id),
    'webrtc-direct': webrtcAddress(bootstrap),
  });
  const connected = async (transport) => {
    const node = await peer();
    nodes.push(node);
    await node.start();
    const identified = new Promise((known) => node.addEventListener('peer:identify', ({ detail }) => known(detail), { once: true }));
    const connection = await node.dial(addresses()[transport]);
    return { node, relay: connection.remotePeer, identified };
  };

  const account = async () => {
    const made = privateKeyToAccount(generatePrivateKey());
    await registry.fund(made);
    return made;
  };

  for (const transport of ['websocket', 'webrtc-direct']) {
    it(`identifies and pings over ${transport}`, async () => {
      const { node, relay, identified } = await connected(transport);
      const [connection] = node.getConnections(relay);
      assert.match(connection.remoteAddr.toString(), transport === 'websocket' ? /\/ws/ : /\/webrtc-direct/);
      const known = await identified;
      assert.equal(known.agentVersion, 'healthsync');
      for (const protocol of ['/healthsync/sync/1', '/ipfs/ping/1.0.0', '/meshsub/1.1.0']) assert.ok(known.protocols.includes(protocol), protocol);
      for (let i = 0; i < 20; i++) assert.ok(await node.services.ping.ping(relay) >= 0);
    });

    it(`talks by gossipsub in both directions over ${transport}`, async () => {
      const [ada, ben] = await Promise.all([account(), account()]);
      const room = await registry.create(ada, [ben.address]);
      const [from, to] = await Promise.all([connected(transport), connected(transport)]);
      const topic = await enter(from, room, ada);
      assert.equal(await enter(to, room, ben), topic);
      for (const [one, other] of [[from.node, to.node], [to.node, from.node]]) {
        const said = Buffer.concat([Buffer.from([2]), randomBytes(1_000)]);
        const heard = hears(other, topic, (data) => data.equals(said));
        await one.services.pubsub.publish(topic, said);
        await heard;
      }
    });
  }

  it('hears what a page says in a room, sealed', async () => {
    browser = await people.launch();
    const [ada, ben] = [await people.person(browser, stack), await account()];
    await people.connect(ada);
    const path = await people.createRoom(ada, 'Interop');
    await people.addMember(ada, ben.address);
    const room = path.split('/').at(-1);
    const listener = await connected('websocket');
    const topic = await enter(listener, room, ben);
    const heard = hears(listener.node, topic, (data) => data[0] === 1);
    await people.say(ada, 'Does anybody of another house hear me?');
    const sealed = (await heard).subarray(1);
    assert.ok(!sealed.includes('another house'), 'it is sealed');
    await people.stored(ada, 'another house');
    const [master] = (await masters(ada, room)).values();
    const { text } = await openWith(master, { bytes: sealed, epoch: sealed.readUInt32BE(33) });
    assert.match(text, /Does anybody of another house hear me\?/);
    assert.ok((await envelopes(ada, room)).some(({ bytes }) => bytes.equals(sealed)), 'byte for byte what the page keeps');
    people.clean(ada);
  });
});
