// What lies between the browsers and the relay: a line for its WebRTC port that can be cut and mended, pages that are told
// another address than the server's, and browsers whose only link is the one to the relay.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Passes UDP on to a local port, each sender by a socket of its own as a router does, while it is not cut. */
export class Line {
  #socket; #onwards = new Map(); #cut = false;

  static async to(port) {
    const line = new Line();
    const socket = line.#socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    socket.on('message', (bytes, { port: sender }) => {
      if (line.#cut) return;
      let onward = line.#onwards.get(sender);
      if (!onward) {
        onward = createSocket('udp4');
        onward.on('message', (answer) => { if (!line.#cut) socket.send(answer, sender, '127.0.0.1'); });
        // A relay that is down: nothing comes back, as on any line.
        onward.on('error', () => {});
        line.#onwards.set(sender, onward);
      }
      onward.send(bytes, port, '127.0.0.1');
    });
    return line;
  }

  get port() { return this.#socket.address().port; }
  cut() { this.#cut = true; }
  mend() { this.#cut = false; }
  close() { for (const socket of [this.#socket, ...this.#onwards.values()]) socket.close(); }
}

/** From now on this person's pages are told something else about the relay. */
export const mislead = (me, told, instead) => me.context.addInitScript(([told, instead]) => {
  new MutationObserver((_, watch) => {
    const meta = document.querySelector('meta[name=healthsync-bootstrap]');
    if (!meta) return;
    watch.disconnect();
    meta.content = meta.content.replaceAll(told, instead);
  }).observe(document, { childList: true, subtree: true });
}, [told, instead]);

/** The relay's UDP port, from what `/api/bootstrap` says. */
export const udpPort = (bootstrap) => Number(bootstrap.addresses.find((address) => address.includes('webrtc-direct')).match(/\/udp\/(\d+)\//)[1]);

/** Keeps members from linking with this one: the browser makes no offers to others, and refuses theirs. */
export const unlinked = (me) => me.context.addInitScript(() => {
  const kind = window.RTCPeerConnection.prototype;
  const links = new WeakSet();
  const { createDataChannel, createOffer, setRemoteDescription } = kind;
  // The one channel that only a link between members has.
  kind.createDataChannel = function create(label, init) { if (label === 'init') links.add(this); return createDataChannel.call(this, label, init); };
  kind.createOffer = function offer(...how) { return links.has(this) ? Promise.reject(new Error('no links here')) : createOffer.apply(this, how); };
  kind.setRemoteDescription = function describe(what) { return what.type === 'offer' ? Promise.reject(new Error('no links here')) : setRemoteDescription.call(this, what); };
});
