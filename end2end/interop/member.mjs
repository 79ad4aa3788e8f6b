// What a member says and hears in a room, written from docs/rooms.md and docs/network.md alone: events, seals, passing
// messages. It knows no network; what it makes goes out by whatever node it is given to.
import { publicKeyFromRaw } from '@libp2p/crypto/keys';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import { CID } from 'multiformats/cid';
import assert from 'node:assert/strict';
import { createHash, randomBytes, webcrypto } from 'node:crypto';
import { roomKey } from '../lib/room-keys.mjs';
import { push, sized, varint } from './peer.mjs';
import { hex } from './room.mjs';

const { subtle } = webcrypto;
const EVENT = Buffer.from('healthsync/event/1\0');
const ENVELOPE = Buffer.from('healthsync/envelope/1\0');
const EPHEMERAL = Buffer.from('healthsync/ephemeral/1\0');
/** What is passed on by gossip and on direct links begins with its kind. */
export const KIND = { envelope: 1, ephemeral: 2 };
const HERE = 0;
const REACHABLE = 4;

const be = (bytes, number) => {
  const out = Buffer.alloc(bytes);
  out.writeUIntBE(number, Math.max(bytes - 6, 0), Math.min(bytes, 6));
  return out;
};
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

/** Reads postcard: numbers, and bytes with their length in front. */
function reader(bytes) {
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  const take = (length) => bytes.subarray(at, at += length);
  return { number, take, sized: () => take(number()) };
}

export class Member {
  #device; #room; #key; #seq = 0; #prev = null; #lamport = 0;

  /** `master` is the room's first master key, `device` from `newDevice`. */
  constructor(room, device, master) {
    this.#room = room;
    this.#device = device;
    this.#key = roomKey(master, Buffer.concat([hex(room), be(4, 0)]));
  }

  /** The question for all that was said. */
  pullRequest() {
    return Buffer.concat([Buffer.from([1]), varint(2), sized(hex(this.#room)), varint(0), varint(500)]);
  }

  /** The events in the answer to it, as text. */
  async page(answer) {
    assert.deepEqual([...answer.subarray(0, 2)], [1, 2], 'a page of events');
    const read = reader(answer.subarray(2));
    return Promise.all(Array.from({ length: read.number() }, () => this.openEnvelope(read.sized())));
  }

  pushRequest(envelopes) { return push(hex(this.#room), envelopes); }

  /** The device's right to speak, as its first event. */
  delegation() {
    const { person, key, issuedAt, expiresAt, chainId, walletSignature } = this.#device;
    const delegation = { person, device: key.toString('hex'), issued_at: issuedAt, expires_at: expiresAt, chain_id: chainId };
    return this.#seal({ type: 'delegation', delegation: { delegation, signature: walletSignature } });
  }

  message(text) { return this.#seal({ type: 'message', text }); }

  /** The next event of this device, sealed. */
  async #seal(kind) {
    const { person, key, sign } = this.#device;
    const seq = ++this.#seq;
    const event = Buffer.from(JSON.stringify({
      v: 1, room: this.#room, person, device: key.toString('hex'), seq, prev: this.#prev, lamport: ++this.#lamport, at: Date.now(), kind,
    }));
    this.#prev = `0x${sha256(event).toString('hex')}`;
    const head = Buffer.concat([Buffer.from([1]), hex(this.#room), be(4, 0), key, be(8, seq)]);
    const nonce = randomBytes(12);
    const sealed = await this.#encrypt(nonce, head, Buffer.concat([sign(Buffer.concat([EVENT, event])), event]));
    const unsigned = Buffer.concat([head, nonce, be(4, sealed.length), sealed]);
    return Buffer.concat([unsigned, sign(Buffer.concat([ENVELOPE, unsigned]))]);
  }

  /** The event inside; the clock goes on as it says. */
  async openEnvelope(bytes) {
    const plain = await this.#decrypt(bytes.subarray(77, 89), bytes.subarray(0, 77), bytes.subarray(93, 93 + bytes.readUInt32BE(89)));
    const event = JSON.parse(plain.subarray(64).toString());
    this.#lamport = Math.max(this.#lamport, event.lamport);
    return event;
  }

  /** "By this node I can be reached", sealed. */
  reachable(nodeKey) { return this.#pass(Buffer.concat([varint(REACHABLE), nodeKey])); }

  /** "I have come; who is here?", sealed. */
  here() { return this.#pass(Buffer.from([HERE, 1])); }

  async #pass(kind) {
    const { person, key, sign } = this.#device;
    const said = Buffer.concat([sized(key), sized(hex(person)), varint(Date.now()), kind]);
    const signature = sign(Buffer.concat([EPHEMERAL, hex(this.#room), said]));
    const nonce = randomBytes(12);
    const sealed = await this.#encrypt(nonce, this.#passing(), Buffer.concat([said, sized(signature)]));
    return Buffer.concat([Buffer.from([1]), hex(this.#room), nonce, sealed]);
  }

  /** Who says in a sealed passing message by which node they can be reached; null when it says something else. */
  async whoIsReachable(bytes) {
    const read = reader(await this.#decrypt(bytes.subarray(33, 45), this.#passing(), bytes.subarray(45)));
    read.sized();
    const person = `0x${read.sized().toString('hex')}`;
    read.number();
    return read.number() === REACHABLE ? { person, node: peerIdFromPublicKey(publicKeyFromRaw(read.take(32))) } : null;
  }

  /** What is said of an ephemeral message outside. */
  #passing() { return Buffer.concat([EPHEMERAL, Buffer.from([1]), hex(this.#room)]); }

  async #encrypt(iv, additionalData, plain) {
    return Buffer.from(await subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, await this.#key, plain));
  }

  async #decrypt(iv, additionalData, sealed) {
    return Buffer.from(await subtle.decrypt({ name: 'AES-GCM', iv, additionalData }, await this.#key, sealed));
  }
}

/** A content id in binary. */
export const contentId = (text) => Buffer.from(CID.parse(text).bytes);

/** Questions of `/healthsync/blob/1`. */
export const wants = {
  content: (room, content) => Buffer.concat([Buffer.from([1]), hex(room), content]),
  chunk: (index) => Buffer.concat([Buffer.from([2]), be(4, index)]),
};

/** A frame of `/healthsync/direct/1`, without its length. */
export const frame = (room, kind, sealed) => Buffer.concat([hex(room), Buffer.from([kind]), sealed]);
