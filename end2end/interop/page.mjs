// js-libp2p in a page. `browser.mjs` bundles this, opens it, and calls what is here from the test's process; bytes cross
// between the two as base64. What happens by itself goes to `report`.
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromString } from '@libp2p/peer-id';
import { webRTC } from '@libp2p/webrtc';
import { multiaddr } from '@multiformats/multiaddr';
import { alone, ask, follow, framed, peer, portions, unframed } from './libp2p.mjs';

const bytes = (text) => Uint8Array.fromBase64(text);
const text = (data) => data.toBase64();

let node;
/** Streams on which this page says things, by peer and protocol. */
const speaking = new Map();

const address = (relay, peer) => multiaddr(`/p2p/${relay}/p2p-circuit${peer ? `/webrtc/p2p/${peer}` : ''}`);

globalThis.other = {
  /** Starts a node with this private key. */
  async start(key) {
    node = await peer({
      privateKey: privateKeyFromRaw(bytes(key)),
      addresses: { listen: ['/webrtc'] },
      transports: [webRTC(alone), circuitRelayTransport()],
    });
    node.addEventListener('peer:identify', ({ detail }) => report({
      kind: 'identified',
      peer: String(detail.peerId),
      address: String(detail.connection.remoteAddr),
      agent: detail.agentVersion,
      protocols: detail.protocols,
    }));
    node.addEventListener('connection:close', ({ detail }) => report({ kind: 'closed', peer: String(detail.remotePeer), address: String(detail.remoteAddr) }));
    node.services.pubsub.addEventListener('message', ({ detail }) => report({ kind: 'gossip', topic: detail.topic, data: text(detail.data) }));
    await node.start();
  },

  async dial(to) {
    const connection = await node.dial(multiaddr(to));
    return { peer: String(connection.remotePeer), address: String(connection.remoteAddr) };
  },

  ping: (to) => node.services.ping.ping(peerIdFromString(to)),

  /** Asks `/healthsync/sync/1`. */
  ask: async (to, question) => text(await ask(node, peerIdFromString(to), bytes(question))),

  follow: (relay, topic) => follow({ node, relay: peerIdFromString(relay) }, topic),

  publish: async (topic, data) => { await node.services.pubsub.publish(topic, bytes(data)); },

  /** Asks the relay to put calls through. js-libp2p has no public call for an address that is wanted after the start. */
  reserve: (relay) => node.components.transportManager.listen([address(relay)]),

  /** Calls a browser through the relay, for a direct link. */
  async call(relay, to) {
    const connection = await node.dial(address(relay, to));
    return String(connection.remoteAddr);
  },

  /** Whether that peer has pinged this page on a direct link and keeps the stream open. */
  isPingedBy: (by) => node.getConnections(peerIdFromString(by))
    .filter((connection) => connection.remoteAddr.toString().includes('/webrtc/'))
    .some((connection) => connection.streams.some((stream) => stream.direction === 'inbound' && stream.protocol === '/ipfs/ping/1.0.0')),

  /** Reports each frame that anybody says on streams of this protocol. */
  listen: (protocol) => node.handle(protocol, async (stream, connection) => {
    const read = portions(stream);
    try {
      for (;;) report({ kind: 'frame', protocol, peer: String(connection.remotePeer), data: text(await unframed(read)) });
    } catch (error) {
      report({ kind: 'silent', protocol, peer: String(connection.remotePeer), why: String(error) });
    }
  }),

  /** Says one frame, on the one stream of that protocol to that peer. */
  async say(to, protocol, data) {
    const name = `${to} ${protocol}`;
    if (!speaking.has(name)) speaking.set(name, node.dialProtocol(peerIdFromString(to), protocol));
    (await speaking.get(name)).send(framed(bytes(data)));
  },

  /** Asks one question after the other on one stream; gives the answers. */
  async discuss(to, protocol, questions) {
    const stream = await node.dialProtocol(peerIdFromString(to), protocol);
    const read = portions(stream);
    const answers = [];
    for (const question of questions) {
      stream.send(framed(bytes(question)));
      answers.push(text(await unframed(read)));
    }
    await stream.close();
    return answers;
  },

  /** Answers questions on streams of this protocol with what is known here, and ends the stream at any other. */
  answer(protocol, known) {
    const answers = new Map(known);
    return node.handle(protocol, async (stream, connection) => {
      const read = portions(stream);
      try {
        for (;;) {
          const question = text(await unframed(read));
          report({ kind: 'asked', protocol, peer: String(connection.remotePeer), question });
          const answer = answers.get(question);
          if (answer === undefined) return stream.abort(new Error('an unknown question'));
          if (!stream.send(framed(bytes(answer)))) await stream.onDrain();
        }
      } catch {
        await stream.close().catch(() => {});
      }
    });
  },
};
