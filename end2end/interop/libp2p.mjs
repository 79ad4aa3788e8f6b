// A peer of js-libp2p, written by others, that knows of HealthSync only what docs/network.md and docs/rooms.md say. In Node
// (`peer.mjs`) and in a page (`page.mjs`).
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { webRTCDirect } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';

/** Its filter of addresses knows none with a path, though it can dial them; ours is at the page's own port, at /p2p. */
const webSocketsWithPath = (components) => {
  const transport = webSockets()(components);
  transport.dialFilter = (all) => all.filter((address) => /\/ws\/(?!.*p2p-circuit)/.test(address.toString()));
  return transport;
};

/** Nobody outside is asked for this machine's address. */
export const alone = { rtcConfiguration: { iceServers: [] } };

/** The relay's addresses, from what `/api/bootstrap` says. */
export const webrtcAddress = (bootstrap) => multiaddr(bootstrap.addresses.find((address) => address.includes('webrtc-direct')));
export const websocketAddress = (url, peerId) => multiaddr(`/ip4/127.0.0.1/tcp/${new URL(url).port}/ws/http-path/p2p/p2p/${peerId}`);

/** A node that dials by WebSocket and by WebRTC-direct, and listens nowhere unless told. */
export const peer = ({ transports = [], ...options } = {}) => createLibp2p({
  addresses: { listen: [] },
  transports: [webSocketsWithPath, webRTCDirect(alone), ...transports],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // Pages refuse addresses of this machine otherwise.
  connectionGater: { denyDialMultiaddr: () => false },
  services: { identify: identify(), ping: ping(), pubsub: gossipsub({ emitSelf: false, floodPublish: true }) },
  ...options,
});

/** Bytes that come in pieces, in portions of a known length. */
export function portions(stream) {
  const pieces = stream[Symbol.asyncIterator]();
  let got = new Uint8Array(0);
  return async (length) => {
    while (got.length < length) {
      const { value, done } = await pieces.next();
      if (done) throw new Error('the stream has ended');
      const more = new Uint8Array(got.length + value.byteLength);
      more.set(got);
      more.set(value.subarray(), got.length);
      got = more;
    }
    const portion = got.slice(0, length);
    got = got.slice(length);
    return portion;
  };
}

/** 4 bytes of length, big endian, then the message: how HealthSync frames what it says on streams. */
export function framed(message) {
  const frame = new Uint8Array(4 + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, 4);
  return frame;
}

/** The next message that `read`, from `portions`, finds in a frame. */
export async function unframed(read) {
  const length = await read(4);
  return read(new DataView(length.buffer).getUint32(0));
}

/** Asks on a stream of its own and gives the answer. */
export async function ask(node, relay, request) {
  const stream = await node.dialProtocol(relay, '/healthsync/sync/1');
  stream.send(framed(request));
  const answer = await unframed(portions(stream));
  await stream.close();
  return answer;
}

/** Subscribes, and waits until the relay has, too. */
export async function follow({ node, relay }, topic) {
  node.services.pubsub.subscribe(topic);
  const there = () => node.services.pubsub.getSubscribers(topic).some((id) => id.equals(relay));
  while (!there()) await new Promise((change) => node.services.pubsub.addEventListener('subscription-change', change, { once: true }));
}
