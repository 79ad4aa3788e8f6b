// A js-libp2p node in a room of our relay, by what docs/network.md and docs/rooms.md say.
import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { CHAIN_ID } from '../stack.mjs';
import { ask, join, joinMessage } from './peer.mjs';

const hex = (text) => Buffer.from(text.slice(2), 'hex');

/** Lets the node into a room in the name of an account, and into the room's topic, whose name it gives. */
export async function enter({ node, relay }, room, account) {
  const device = generateKeyPairSync('ed25519');
  const key = Buffer.from(device.publicKey.export({ format: 'jwk' }).x, 'base64url');
  const issuedAt = Math.floor(Date.now() / 1000) - 5;
  const expiresAt = issuedAt + 3_600;
  const walletSignature = hex(await account.signTypedData({
    domain: { name: 'HealthSync', version: '1', chainId: CHAIN_ID },
    types: { Delegation: [{ name: 'person', type: 'address' }, { name: 'device', type: 'string' }, { name: 'issuedAt', type: 'uint64' }, { name: 'expiresAt', type: 'uint64' }] },
    primaryType: 'Delegation',
    message: { person: account.address, device: key.toString('hex'), issuedAt: BigInt(issuedAt), expiresAt: BigInt(expiresAt) },
  }));
  const deviceSignature = sign(null, joinMessage(hex(room), node.peerId.toMultihash().bytes), createPrivateKey(device.privateKey.export({ format: 'pem', type: 'pkcs8' })));
  const request = join({ room: hex(room), person: hex(account.address), device: key, issuedAt, expiresAt, chainId: CHAIN_ID, walletSignature, deviceSignature });
  const answer = await ask(node, relay, request);
  assert.deepEqual([...answer.subarray(0, 2)], [1, 0], `joined, not: ${answer.toString('latin1')}`);
  const topic = answer.subarray(3, 3 + answer[2]).toString();
  await follow({ node, relay }, topic);
  // Nothing confirms a subscription. But it is on its way before this question, and what the relay passes on before it has come
  // is not passed on to us.
  await ask(node, relay, request);
  return topic;
}

/** Subscribes, and waits until the relay has, too. */
export async function follow({ node, relay }, topic) {
  node.services.pubsub.subscribe(topic);
  const there = () => node.services.pubsub.getSubscribers(topic).some((id) => id.equals(relay));
  while (!there()) await new Promise((change) => node.services.pubsub.addEventListener('subscription-change', change, { once: true }));
}

/** Waits for a gossip message of this node that `wanted` takes. */
export const hears = (node, topic, wanted) => new Promise((heard) => {
  const listen = ({ detail }) => {
    if (detail.topic !== topic || !wanted(Buffer.from(detail.data))) return;
    node.services.pubsub.removeEventListener('message', listen);
    heard(Buffer.from(detail.data));
  };
  node.services.pubsub.addEventListener('message', listen);
});
