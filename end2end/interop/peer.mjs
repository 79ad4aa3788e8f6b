// A peer of js-libp2p, written by others, that knows of HealthSync only what docs/network.md and docs/rooms.md say.
import './newer.mjs';
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
  transport.dialFilter = (all) => all.filter((address) => address.toString().includes('/ws/http-path/'));
  return transport;
};

/** The relay's addresses, from what `/api/bootstrap` says. */
export const webrtcAddress = (bootstrap) => multiaddr(bootstrap.addresses.find((address) => address.includes('webrtc-direct')));
export const websocketAddress = (url, peerId) => multiaddr(`/ip4/127.0.0.1/tcp/${new URL(url).port}/ws/http-path/p2p/p2p/${peerId}`);

/** A node that dials by WebSocket and by WebRTC-direct, and listens nowhere. */
export const peer = () => createLibp2p({
  addresses: { listen: [] },
  transports: [webSocketsWithPath, webRTCDirect()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping(), pubsub: gossipsub({ emitSelf: false, floodPublish: true }) },
});

const varint = (number) => {
  const bytes = [];
  for (let rest = BigInt(number); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
};
const sized = (bytes) => Buffer.concat([varint(bytes.length), Buffer.from(bytes)]);

/** What the device signs to join. */
export const joinMessage = (room, peerId) => Buffer.concat([Buffer.from('healthsync/join/1\0'), room, peerId]);

/** `Join` of `/healthsync/sync/1` as docs/network.md has it, without its frame. */
export const join = ({ room, person, device, issuedAt, expiresAt, chainId, walletSignature, deviceSignature }) => Buffer.concat([
  Buffer.from([1]), varint(0), sized(room),
  sized(person), sized(device), varint(issuedAt), varint(expiresAt), varint(chainId), sized(walletSignature),
  sized(deviceSignature),
]);

/** Asks on a stream of its own: 4 bytes of length, big endian, then the message; the answer likewise. */
export async function ask(node, relay, request) {
  const stream = await node.dialProtocol(relay, '/healthsync/sync/1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(request.length);
  stream.send(Buffer.concat([length, request]));
  let got = Buffer.alloc(0);
  for await (const piece of stream) {
    got = Buffer.concat([got, piece.subarray()]);
    if (got.length >= 4 && got.length >= 4 + got.readUInt32BE(0)) break;
  }
  await stream.close();
  return got.subarray(4);
}
