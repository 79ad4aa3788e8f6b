// Two servers of the same rooms: Ada's page comes from one, Ben's from the other. They talk and vote as if it were one; one
// server is killed and comes back, and gets from the other what it missed.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

// What a server that was down takes to be found again, on a loaded machine.
const BACK = { timeout: 90_000 };

async function metric(server, name) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
}

async function until(what, holds) {
  const deadline = Date.now() + BACK.timeout;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `not in time: ${what}`);
    await pause(100);
  }
}

describe('two servers, one room', { timeout: 420_000 }, () => {
  let stack, other, browser, ada, ben;
  const follow = () => until('both follow each other', async () => {
    const followed = await Promise.all([stack, other].map((server) => metric(server, 'healthsync_relays_followed')));
    return followed.every((count) => count === 1);
  });
  const oneEach = async (...texts) => {
    for (const text of texts) {
      for (const me of [ada, ben]) assert.equal(await p.message(me, text).count(), 1, text);
    }
  };

  before(async () => {
    stack = await startStack({ keyNodes: 5 });
    // As the documentation asks for: the same key nodes and the same storage.
    other = await stack.startBeside({ HEALTHSYNC_RELAYS: stack.url, HEALTHSYNC_STORAGE_URL: stack.url });
    await stack.restartServer({ HEALTHSYNC_RELAYS: other.url });
    await follow();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, other)]);
    for (const me of [ada, ben]) await p.connect(me);
    const room = await p.createRoom(ada, 'On two servers');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('carries what is said from one to the other', async () => {
    assert.notEqual(new URL(ada.page.url()).port, new URL(ben.page.url()).port);
    await p.say(ada, 'Can you see this over there?');
    await p.message(ben, 'Can you see this over there?').waitFor();
    await p.say(ben, 'As if it were here.');
    await p.message(ada, 'As if it were here.').waitFor();
    await p.stored(ada, 'Can you see this over there?');
    await p.stored(ben, 'As if it were here.');
  });

  it('shows a case, and counts votes from both', async () => {
    await p.share(ada, 'Nodule 8812', [file('nodule.png', png())]);
    await p.unlock(ben);
    await p.ask(ada, 'Biopsy?', ['Yes', 'No']);
    await p.vote(ben, 'Yes');
    await p.countIs(ada, 'Yes', 1);
    await p.vote(ada, 'No');
    await p.countIs(ben, 'No', 1);
    await p.countIs(ben, 'Yes', 1);
  });

  it('goes on at one while the other is down, which gets what it missed', async () => {
    await ada.page.evaluate(() => { window.sameVisit = true; });
    await stack.killServer();
    await p.say(ben, 'Said while you were away.');
    await p.stored(ben, 'Said while you were away.');
    await p.say(ada, 'Written into a dead line.');
    await stack.startServer();
    await p.message(ada, 'Said while you were away.').waitFor(BACK);
    await p.message(ben, 'Written into a dead line.').waitFor(BACK);
    await p.stored(ada, 'Written into a dead line.');
    assert.equal(await ada.page.evaluate(() => window.sameVisit), true, 'the page was reloaded');
  });

  it('is live in both directions again, and shows nothing twice', async () => {
    await follow();
    await p.say(ada, 'And now?');
    await p.message(ben, 'And now?').waitFor();
    await p.say(ben, 'As before.');
    await p.message(ada, 'As before.').waitFor();
    await oneEach('Can you see', 'As if it were', 'Said while', 'Written into', 'And now?', 'As before.');
    await p.countIs(ada, 'Yes', 1);
    await p.countIs(ben, 'No', 1);
  });

  it('keeps the same on both', async () => {
    const counts = () => Promise.all([stack, other].map((server) => metric(server, 'healthsync_envelopes_total')));
    await until('both mailboxes hold the same number', async () => {
      const [here, there] = await counts();
      return here === there && here > 8;
    });
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
