// js-libp2p as a listener for our browser's transports: says on one line of JSON where it listens. On the topics named here
// it answers each message with the same bytes, each inverted, and says `!` and, in JSON, what it has learnt of whoever came.
import './newer.mjs';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { webRTCDirect } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { createLibp2p } from 'libp2p';

const TOPICS = ['/ws/', '/webrtc-direct/'];

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws', '/ip4/127.0.0.1/udp/0/webrtc-direct'] },
  transports: [webSockets(), webRTCDirect()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping(), pubsub: gossipsub({ emitSelf: false, floodPublish: true, allowPublishToZeroTopicPeers: true }) },
});
const gossip = node.services.pubsub;

/** The topic of each peer's first message. js-libp2p says nothing to a peer before its own stream to it is open; whoever talks
 * to us has heard on that stream that we follow the topic. */
const topics = new Map();
function topicOf(peer) {
  const name = String(peer);
  if (!topics.has(name)) topics.set(name, Promise.withResolvers());
  return topics.get(name);
}

gossip.addEventListener('message', ({ detail }) => {
  topicOf(detail.from).resolve(detail.topic);
  gossip.publish(detail.topic, detail.data.map((byte) => ~byte)).catch(console.error);
});

node.addEventListener('peer:identify', async ({ detail }) => {
  try {
    const said = { agent: detail.agentVersion, ping: await node.services.ping.ping(detail.peerId) };
    await gossip.publish(await topicOf(detail.peerId).promise, Buffer.from(`!${JSON.stringify(said)}`));
  } catch (error) {
    console.error(error);
  }
});

await node.start();
for (const topic of TOPICS) gossip.subscribe(topic);
console.log(JSON.stringify(node.getMultiaddrs().map(String)));
