// A peer of others in a room of our relay, by what docs/network.md and docs/rooms.md say.
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { CHAIN_ID } from '../stack.mjs';
import { ask, follow, join, joinMessage } from './peer.mjs';

export const hex = (text) => Buffer.from(text.slice(2), 'hex');

/** A new device of an account, with the wallet's word that it may speak for it. */
export async function newDevice(account) {
  const pair = generateKeyPairSync('ed25519');
  const key = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x, 'base64url');
  const secret = createPrivateKey(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const issuedAt = Math.floor(Date.now() / 1000) - 5;
  const expiresAt = issuedAt + 3_600;
  const walletSignature = await account.signTypedData({
    domain: { name: 'HealthSync', version: '1', chainId: CHAIN_ID },
    types: { Delegation: [{ name: 'person', type: 'address' }, { name: 'device', type: 'string' }, { name: 'issuedAt', type: 'uint64' }, { name: 'expiresAt', type: 'uint64' }] },
    primaryType: 'Delegation',
    message: { person: account.address, device: key.toString('hex'), issuedAt: BigInt(issuedAt), expiresAt: BigInt(expiresAt) },
  });
  return { person: account.address.toLowerCase(), key, sign: (message) => sign(null, message, secret), issuedAt, expiresAt, chainId: CHAIN_ID, walletSignature };
}

/** What lets the peer with this id into a room, on a device. */
export function joinRequest(room, { person, key, sign, issuedAt, expiresAt, chainId, walletSignature }, peerId) {
  const deviceSignature = sign(joinMessage(hex(room), peerId.toMultihash().bytes));
  return join({ room: hex(room), person: hex(person), device: key, issuedAt, expiresAt, chainId, walletSignature: hex(walletSignature), deviceSignature });
}

/** The topic in the relay's answer to a join. */
export function topicOf(answer) {
  assert.deepEqual([...answer.subarray(0, 2)], [1, 0], `joined, not: ${Buffer.from(answer).toString('latin1')}`);
  return Buffer.from(answer.subarray(3, 3 + answer[2])).toString();
}

/** Lets the node into a room in the name of an account, and into the room's topic, whose name it gives. */
export async function enter({ node, relay }, room, account) {
  const request = joinRequest(room, await newDevice(account), node.peerId);
  const topic = topicOf(await ask(node, relay, request));
  await follow({ node, relay }, topic);
  // Nothing confirms a subscription. But it is on its way before this question, and what the relay passes on before it has come
  // is not passed on to us.
  await ask(node, relay, request);
  return topic;
}

export { follow };

/** Waits for a gossip message of this node that `wanted` takes. */
export const hears = (node, topic, wanted) => new Promise((heard) => {
  const listen = ({ detail }) => {
    if (detail.topic !== topic || !wanted(Buffer.from(detail.data))) return;
    node.services.pubsub.removeEventListener('message', listen);
    heard(Buffer.from(detail.data));
  };
  node.services.pubsub.addEventListener('message', listen);
});
