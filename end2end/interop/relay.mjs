// A relay of js-libp2p, to be measured beside ours: subscribes to one topic and passes on what it hears, and puts calls
// through. Says on one line of JSON where it listens.
import './newer.mjs';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { circuitRelayServer } from '@libp2p/circuit-relay-v2';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { webRTCDirect } from '@libp2p/webrtc';
import { webSockets } from '@libp2p/websockets';
import { createLibp2p } from 'libp2p';

// All peers have one address here, for which it would stop listening to them.
const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws', '/ip4/127.0.0.1/udp/0/webrtc-direct'] },
  transports: [webSockets(), webRTCDirect()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionManager: { maxConnections: 1_000, inboundConnectionThreshold: 1_000, maxIncomingPendingConnections: 200 },
  services: { identify: identify(), ping: ping(), circuits: circuitRelayServer(), pubsub: gossipsub({ emitSelf: false, D: 200, Dlo: 1, Dhi: 400, scoreParams: { IPColocationFactorWeight: 0 } }) },
});
await node.start();
node.services.pubsub.subscribe('bench');
console.log(JSON.stringify(node.getMultiaddrs().map(String)));
