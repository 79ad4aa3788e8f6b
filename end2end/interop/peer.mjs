// js-libp2p in Node, and how one asks to join.
import './newer.mjs';

export { ask, follow, peer, webrtcAddress, websocketAddress } from './libp2p.mjs';

export const varint = (number) => {
  const bytes = [];
  for (let rest = BigInt(number); ; rest >>= 7n) {
    if (rest < 128n) return Buffer.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 127n) | 128);
  }
};
export const sized = (bytes) => Buffer.concat([varint(bytes.length), Buffer.from(bytes)]);

/** What the device signs to join. */
export const joinMessage = (room, peerId) => Buffer.concat([Buffer.from('healthsync/join/1\0'), room, peerId]);

/** `Join` of `/healthsync/sync/1` as docs/network.md has it, without its frame. */
export const join = ({ room, person, device, issuedAt, expiresAt, chainId, walletSignature, deviceSignature }) => Buffer.concat([
  Buffer.from([1]), varint(0), sized(room),
  sized(person), sized(device), varint(issuedAt), varint(expiresAt), varint(chainId), sized(walletSignature),
  sized(deviceSignature),
]);

/** `Push` of events, each sealed. */
export const push = (room, envelopes) => Buffer.concat([
  Buffer.from([1]), varint(1), sized(room), varint(envelopes.length), ...envelopes.map(sized),
]);
