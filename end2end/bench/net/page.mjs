// What a measured page can be asked, whichever node is in it. `ours.mjs` and `../../interop/bench.mjs` bring the node.

/** One clock for all pages of a browser. */
const now = () => performance.timeOrigin + performance.now();
const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
/** Lets run what waits, without the 4 ms that a timer takes. */
const turn = () => new Promise((done) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { port1.close(); done(); };
  port2.postMessage(0);
});

/** `Member.start` makes a node that has dialled nobody yet. */
export function measured(Member) {
  let member;
  const came = new Map();
  const heard = (number) => { if (!came.has(number)) came.set(number, now()); };
  globalThis.measured = {
    /** How long from dialling to the first answer on a stream. */
    async dial(relay) {
      const one = await Member.start(relay);
      const from = performance.now();
      await one.dial();
      const took = performance.now() - from;
      await one.close();
      return took;
    },

    /** Enters the room and stays. */
    async enter(relay, who) {
      member = await Member.start(relay);
      await member.dial();
      await member.enter(who, heard);
    },

    name: () => member.name,

    leave: () => member.close(),

    /** Sends live, one message each `gap` ms or all at once; gives when each was sent and by which numbers it will be heard. */
    async send(count, bytes, gap) {
      const sent = [];
      for (const { numbers, parts } of await member.messages(count, bytes)) {
        sent.push({ numbers, at: now() });
        for (const part of parts) while (!await member.say(part)) await turn();
        if (gap) await pause(gap);
      }
      return sent;
    },

    /** Hands over, all at once, what has to arrive. */
    async handOver(count, bytes) {
      const messages = await member.messages(count, bytes, true);
      const at = now();
      await member.handOver(messages.flatMap(({ parts }) => parts));
      return messages.map(({ numbers }) => ({ numbers, at }));
    },

    /** When each of these numbers was heard, or null where it was not until nothing more has come for `limit` ms. */
    async heard(numbers, limit) {
      for (let until = now() + limit, before = came.size; now() < until && !numbers.every((number) => came.has(number)); await pause(50)) {
        if (came.size > before) [before, until] = [came.size, now() + limit];
      }
      const at = numbers.map((number) => came.get(number) ?? null);
      came.clear();
      return at;
    },

    /** Has a direct link to another page; of the two, one calls. */
    async meet(other, calls) {
      for (const until = now() + 20_000; !await member.meet(other, calls); await pause(100)) {
        if (now() > until) throw new Error('no direct link after 20 s');
      }
    },

    /** Holds content ready; gives its name. */
    offer: (bytes) => {
      const content = new Uint8Array(bytes);
      for (let from = 0; from < bytes; from += 65_536) crypto.getRandomValues(content.subarray(from, from + 65_536));
      return member.offer(content);
    },

    /** How long until all of it is here. */
    async fetch(name, from, bytes) {
      const began = performance.now();
      const got = await member.fetch(name, from);
      if (got !== bytes) throw new Error(`${got} of ${bytes} bytes have come`);
      return performance.now() - began;
    },
  };
}
