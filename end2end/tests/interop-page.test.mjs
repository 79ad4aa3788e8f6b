// js-libp2p, written by others, in a page: it dials our relay by WebSocket and WebRTC-direct, and as a member of a room it is
// linked to our page browser to browser, whoever of the two calls. All it knows is in docs/network.md and docs/rooms.md.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { webrtcAddress, websocketAddress } from '../interop/peer.mjs';
import { Other, decoded, keyWith } from '../interop/browser.mjs';
import { KIND, Member, contentId, frame, sha256, wants } from '../interop/member.mjs';
import { hex, joinRequest, newDevice, topicOf } from '../interop/room.mjs';
import * as people from '../lib/people.mjs';
import { file, png } from '../lib/pictures.mjs';
import { Registry } from '../lib/registry.mjs';
import { masters } from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

const LIVE = '/healthsync/direct/1';
const BLOB = '/healthsync/blob/1';
/** Members say so each 10 s, and whoever has just come may need to hear it again. */
const SAY_AGAIN_MS = 1_000;

describe('js-libp2p in a page', { timeout: 180_000 }, () => {
  let stack, registry, bootstrap, browser;
  const opened = [];
  before(async () => {
    [stack, browser] = await Promise.all([startStack(), people.launch()]);
    registry = new Registry(stack);
    bootstrap = await (await fetch(`${stack.url}/api/bootstrap`)).json();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  const account = async () => {
    const made = privateKeyToAccount(generatePrivateKey());
    await registry.fund(made);
    return made;
  };
  const connected = async (transport, key) => {
    const other = await Other.open(browser, key ?? await keyWith());
    opened.push(other);
    const address = transport === 'websocket' ? websocketAddress(stack.url, bootstrap.peer_id) : webrtcAddress(bootstrap);
    const { peer: relay, address: dialled } = await other.dial(address);
    assert.match(dialled, transport === 'websocket' ? /\/ws/ : /\/webrtc-direct/);
    return { other, relay };
  };
  /** Joins, and follows the room's topic, whose name it gives. */
  const enter = async ({ other, relay }, room, device) => {
    const request = joinRequest(room, device, other.id);
    const topic = topicOf(await other.ask(relay, request));
    await other.follow(relay, topic);
    // Nothing confirms a subscription; it is on its way before this question.
    await other.ask(relay, request);
    return topic;
  };

  for (const transport of ['websocket', 'webrtc-direct']) {
    it(`talks with our relay over ${transport}: identify, ping, gossipsub in both directions`, async () => {
      const [ada, ben] = await Promise.all([account(), account()]);
      const room = await registry.create(ada, [ben.address]);
      const pages = await Promise.all([connected(transport), connected(transport)]);
      for (const { other, relay } of pages) {
        const known = await other.reported((one) => one.kind === 'identified' && one.peer === relay);
        assert.equal(known.agent, 'healthsync');
        for (const protocol of ['/healthsync/sync/1', '/ipfs/ping/1.0.0', '/meshsub/1.1.0', '/libp2p/circuit/relay/0.2.0/hop']) {
          assert.ok(known.protocols.includes(protocol), protocol);
        }
        for (let i = 0; i < 5; i++) assert.ok(await other.ping(relay) >= 0);
      }
      const [topic, same] = await Promise.all([enter(pages[0], room, await newDevice(ada)), enter(pages[1], room, await newDevice(ben))]);
      assert.equal(same, topic);
      for (const [one, other] of [pages, pages.toReversed()]) {
        const said = Buffer.concat([Buffer.from([KIND.ephemeral]), randomBytes(1_000)]);
        const heard = other.other.hears(topic, (data) => data.equals(said));
        await one.other.publish(topic, said);
        await heard;
      }
      for (const { other } of pages) await other.close();
    });
  }

  describe('as a member, linked to our page', () => {
    let ada, carol, path, room, person, master, node, image;
    before(async () => {
      [ada, carol, person] = await Promise.all([people.person(browser, stack), people.person(browser, stack), account()]);
      await Promise.all([people.connect(ada), people.connect(carol)]);
      path = await people.createRoom(ada, 'Interop');
      room = path.split('/').at(-1);
      await people.addMember(ada, person.address);
      await people.addMember(ada, carol.address);
      master = (await masters(ada, room)).get(0);
      const scout = await member(await keyWith());
      const stop = announce(scout, { reachable: false });
      node = await nodeOf(ada, scout);
      stop();
      await scout.other.close();
    });

    /** A js-libp2p page as a full member: admitted, its device known to the others, and callable through the relay. */
    const member = async (key) => {
      const page = await connected('webrtc-direct', key);
      const device = await newDevice(person);
      const self = new Member(room, device, master);
      const topic = await enter(page, room, device);
      await self.page(await page.other.ask(page.relay, self.pullRequest()));
      const stored = await page.other.ask(page.relay, self.pushRequest([await self.delegation()]));
      assert.deepEqual([...stored.subarray(0, 2)], [1, 1], 'stored');
      await page.other.reserve(page.relay);
      await page.other.listen(LIVE);
      return { ...page, self, topic };
    };
    /** Tells the room again and again by which node the page can be reached, as members do; gives what ends it. */
    const announce = ({ other, self, topic }, { reachable = true } = {}) => {
      const pass = async (sealed) => other.publish(topic, Buffer.concat([Buffer.from([KIND.ephemeral]), await sealed]));
      const timer = setInterval(() => {
        // Whoever answers the second has heard the first.
        if (reachable) pass(self.reachable(other.id.publicKey.raw)).catch(() => {});
        pass(self.here()).catch(() => {});
      }, SAY_AGAIN_MS);
      return () => clearInterval(timer);
    };
    /** What one of our pages says about its node in the room, each time. */
    async function* nodesOf(me, { other, self, topic }) {
      for await (const data of other.gossip(topic)) {
        const who = data[0] === KIND.ephemeral && await self.whoIsReachable(data.subarray(1));
        if (who && who.person === me.address.toLowerCase()) yield who.node;
      }
    }
    const nodeOf = async (me, page) => { for await (const node of nodesOf(me, page)) return node; };

    /** Of two members the one with the smaller peer id calls. Gives what our page has said of itself on the link. */
    const linked = async (me, page) => {
      const { other, relay } = page;
      for await (const node of nodesOf(me, page)) {
        if (below(node, other.id)) break;
        // Refused for as long as our page does not know us.
        if (await other.call(relay, String(node)).then(() => true, () => false)) break;
      }
      return other.reported((one) => one.kind === 'identified' && one.address.includes('/webrtc/'));
    };

    for (const calls of [false, true]) {
      it(calls ? 'calls our page' : 'is called by our page', async () => {
        const page = await member(await keyWith((id) => below(id, node) === calls));
        const { other, self } = page;
        const stop = announce(page);
        const link = await linked(ada, page);
        assert.equal(link.peer, String(node));
        assert.equal(link.agent, 'healthsync');
        for (const protocol of [LIVE, BLOB, '/ipfs/ping/1.0.0']) assert.ok(link.protocols.includes(protocol), protocol);
        assert.ok(!link.protocols.some((protocol) => protocol.startsWith('/meshsub')), 'gossip is for the relay');
        for (let i = 0; i < 5; i++) assert.ok(await other.ping(link.peer) >= 0);
        await other.pingedBy(link.peer);

        // What comes by the link is told apart from what comes by gossip; and this is said on the link only.
        const text = `Said by our page, ${calls ? 'called' : 'calling'}`;
        await people.say(ada, text);
        await heardEvent(page, ({ kind }) => kind.text === text);
        await other.say(link.peer, LIVE, frame(room, KIND.envelope, await self.message(`Answered by js-libp2p to: ${text}`)));
        await people.message(ada, `Answered by js-libp2p to: ${text}`).first().waitFor();

        const caption = `A scan, ${calls ? 'called' : 'calling'}`;
        await people.share(ada, caption, [file('scan.png', png({ width: 700, height: 700 }))]);
        const { kind } = await heardEvent(page, ({ kind }) => kind.caption === caption);
        image = { caption, ...await fetched(other, link.peer, contentId(kind.images[0].cid)) };
        stop();
        await other.close();
      });
    }

    /** The first event heard on a link that `wanted` takes. */
    const heardEvent = async ({ other, self }, wanted) => {
      for await (const { kind, protocol, data } of other.reports()) {
        if (kind !== 'frame' || protocol !== LIVE) continue;
        const said = decoded(data);
        assert.deepEqual(said.subarray(0, 32), hex(room));
        if (said[32] !== KIND.envelope) continue;
        const event = await self.openEnvelope(said.subarray(33));
        if (wanted(event)) return event;
      }
    };
    /** The encrypted file as a member gives it, each chunk checked: what was asked, and the answers. */
    const fetched = async (other, peer, content) => {
      const open = wants.content(room, content);
      const [layout] = await other.discuss(peer, BLOB, [open]);
      assert.equal(layout[0], 129, 'how it is cut');
      const digests = Array.from({ length: (layout.length - 9) / 32 }, (_, i) => layout.subarray(9 + 32 * i, 41 + 32 * i));
      const questions = [open, ...digests.map((_, i) => wants.chunk(i))];
      const answers = await other.discuss(peer, BLOB, questions);
      for (const [i, digest] of digests.entries()) {
        assert.deepEqual([...answers[i + 1].subarray(0, 5)], [130, 0, 0, 0, i]);
        assert.deepEqual(sha256(answers[i + 1].subarray(5)), digest, `chunk ${i}`);
      }
      return { known: questions.map((question, i) => [question, answers[i]]) };
    };

    it('cannot call our page from another room, nor be called without a room', async () => {
      const elsewhere = await registry.create(person, []);
      const page = await connected('webrtc-direct');
      await assert.rejects(page.other.reserve(page.relay));
      await enter(page, elsewhere, await newDevice(person));
      await page.other.reserve(page.relay);
      await assert.rejects(page.other.call(page.relay, String(node)), /PERMISSION_DENIED/);
      await page.other.close();
    });

    it('gives our page a picture that storage and the others do not have', async () => {
      people.clean(ada);
      await ada.context.close();
      const page = await member(await keyWith());
      await page.other.answer(BLOB, image.known);
      const stop = announce(page);
      await carol.page.route('**/ipfs/**', (route) => route.abort());
      await people.enterRoom(carol, path);
      const { peer } = await linked(carol, page);
      await people.openCase(carol, image.caption);
      await people.unlock(carol);
      await page.other.reported((one) => one.kind === 'asked' && one.peer === peer && decoded(one.question)[0] === 2);
      stop();
      await page.other.close();
      people.clean(carol);
    });
  });

  it('no page of js-libp2p had an error', () => {
    for (const other of opened) assert.deepEqual(other.errors, []);
  });
});

/** Whether the peer id of `one` comes before the other's. */
function below(one, other) {
  const [a, b] = [one, other].map((id) => Buffer.from(id.toMultihash().bytes));
  return Buffer.compare(a, b) < 0;
}
