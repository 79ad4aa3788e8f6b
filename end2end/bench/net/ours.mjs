// Our node in a measured page: `crates/net/examples/page.rs`, compiled as the app's page is.
import { measured } from './page.mjs';

const rust = (async () => {
  const module = await import('/page.js');
  await module.default({ module_or_path: '/page_bg.wasm' });
  return module.Page;
})();

/** What is longer goes as events of at most this: a live message that is not kept has 1 kB at most, an event 40 kB. */
const PASSING = 1_024;
const EVENT = 30_000;
/** Bytes of an event that are not its text. */
const SEALING = 650;

class Member {
  #relay; #page; #next = 1_000_000;

  static async start(relay) {
    await rust;
    const member = new Member();
    member.#relay = relay;
    return member;
  }

  async dial() {
    const { port, webrtc, peer, transport } = this.#relay;
    this.#page = await (await rust).dial(port, webrtc, peer, transport);
  }

  async enter({ wallet, room, chain }, heard) {
    this.#page = await this.#page.enter(Uint8Array.fromHex(wallet.slice(2)), room, BigInt(chain), heard);
    this.name = this.#page.peer_id();
    // The device's first event says whose it is; nothing of it is kept before.
    await this.#page.hand_over([this.#page.event(0)]);
  }

  messages(count, bytes, kept = bytes > PASSING) {
    const pieces = kept ? Math.ceil(bytes / EVENT) : 1;
    const text = bytes > PASSING ? bytes / pieces - SEALING : bytes;
    return Array.from({ length: count }, () => {
      const parts = Array.from({ length: pieces }, () => (kept ? this.#page.event(text) : this.#passing(bytes)));
      return { parts, numbers: parts.map(kept ? numberOfEvent : numberOfPassing) };
    });
  }

  #passing(bytes) {
    const data = crypto.getRandomValues(new Uint8Array(bytes));
    new DataView(data.buffer).setUint32(0, this.#next++);
    return data;
  }

  say(part) { return this.#page.publish(part, part.length > PASSING); }

  async handOver(parts) {
    const refused = await this.#page.hand_over(parts);
    if (refused) throw new Error(`${refused} events were refused`);
  }

  meet(other) { return this.#page.meet(other); }
  offer(content) { return this.#page.offer(content); }
  fetch(name) { return this.#page.fetch(name); }
  close() { this.#page.close(); }
}

const view = (part) => new DataView(part.buffer, part.byteOffset);
const numberOfPassing = (part) => view(part).getUint32(0);
/** Where docs/rooms.md has it: after version, room, epoch and device. */
const numberOfEvent = (part) => Number(view(part).getBigUint64(69));

measured(Member);
