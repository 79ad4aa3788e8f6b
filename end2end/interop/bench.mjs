// js-libp2p in a page that `bench/net.mjs` measures, at a relay of js-libp2p.
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { peerIdFromString } from '@libp2p/peer-id';
import { webRTC } from '@libp2p/webrtc';
import { multiaddr } from '@multiformats/multiaddr';
import { measured } from '../bench/net/page.mjs';
import { alone, follow, peer } from './libp2p.mjs';

const TOPIC = 'bench';
const CONTENT = '/bench/content';
const PIECE = 65_536;

class Member {
  #node; #address; #relay; #next = 1;

  static async start({ address }) {
    const member = new Member();
    member.#address = multiaddr(address);
    member.#node = await peer({ addresses: { listen: ['/webrtc'] }, transports: [webRTC(alone), circuitRelayTransport()] });
    await member.#node.start();
    return member;
  }

  async dial() {
    this.#relay = (await this.#node.dial(this.#address)).remotePeer;
    await this.#node.services.ping.ping(this.#relay);
  }

  async enter(_, heard) {
    this.name = String(this.#node.peerId);
    this.#node.services.pubsub.addEventListener('message', ({ detail }) => {
      if (detail.topic === TOPIC) heard(new DataView(detail.data.buffer, detail.data.byteOffset).getUint32(0));
    });
    await follow({ node: this.#node, relay: this.#relay }, TOPIC);
    await this.#node.components.transportManager.listen([this.#circuit()]);
  }

  #circuit(to) { return multiaddr(`/p2p/${this.#relay}/p2p-circuit${to ? `/webrtc/p2p/${to}` : ''}`); }

  messages(count, bytes) {
    return Array.from({ length: count }, () => {
      const data = crypto.getRandomValues(new Uint8Array(bytes));
      const number = this.#next++;
      new DataView(data.buffer).setUint32(0, number);
      return { parts: [data], numbers: [number] };
    });
  }

  async say(part) {
    await this.#node.services.pubsub.publish(TOPIC, part);
    return true;
  }

  /** Nothing here keeps anything; it is said. */
  async handOver(parts) { for (const part of parts) await this.say(part); }

  async meet(other, calls) {
    if (calls) await this.#node.dial(this.#circuit(other), { signal: AbortSignal.timeout(20_000) });
    return true;
  }

  async offer(content) {
    await this.#node.unhandle(CONTENT);
    await this.#node.handle(CONTENT, async (stream) => {
      for (let at = 0; at < content.length; at += PIECE) if (!stream.send(content.subarray(at, at + PIECE))) await stream.onDrain();
      await stream.close();
    });
    return CONTENT;
  }

  async fetch(name, from) {
    const direct = this.#node.getConnections(peerIdFromString(from)).find(({ remoteAddr }) => String(remoteAddr).includes('/webrtc/'));
    const stream = await direct.newStream(name);
    let got = 0;
    for await (const piece of stream) got += piece.byteLength;
    return got;
  }

  close() { return this.#node.stop(); }
}

measured(Member);
