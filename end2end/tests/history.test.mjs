// Somebody opens a room in which much was said: the newest comes first and can be answered at once, while the older part
// is still on its way; in the end all of it is there, and a reload in the middle begins where it was.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

/** More than two pages of history. */
const SAID = 1_100;

/** Says numbered texts as fast as the page takes them. */
const sayMany = (me, count) => me.page.evaluate(async (count) => {
  const box = document.querySelector('[data-testid=composer]');
  for (let i = 1; i <= count; i++) {
    box.value = `Finding number ${i}.`;
    box.dispatchEvent(new Event('input', { bubbles: true }));
    document.querySelector('[data-testid=send]').click();
    await new Promise((next) => requestAnimationFrame(next));
  }
}, count);

/** Notes how far the history has come whenever the page says so, and whether the newest message was readable then. */
const follow = (newest) => {
  window.__came = [];
  new MutationObserver(() => {
    const how = document.querySelector('#talk .panel-head [role=status]')?.textContent ?? '';
    const [, here, all] = how.match(/older part is coming, (\d+) of (\d+)/) ?? [];
    const readable = [...document.querySelectorAll('[data-testid=message]')].some((row) => row.textContent.includes(newest));
    const last = window.__came.at(-1);
    if (here && (last?.here !== here || last?.readable !== readable)) window.__came.push({ here, all, readable });
  }).observe(document, { childList: true, subtree: true, characterData: true });
};

/** Signs in and goes away: the list of rooms would fetch what is said while it is on screen. */
async function newcomer(me) {
  await p.connect(me);
  await me.page.goto('about:blank');
}

const older = (me) => me.page.locator('.talk__older');
/** Of so many messages the page shows the last 100, and up to 19 more. */
const rest = (all) => `${Math.floor((all - 100) / 20) * 20} older`;

describe('a long history', { timeout: 300_000 }, () => {
  let stack, browser, ada, ben, room;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    for (const me of [ada, ben]) me.context.setDefaultTimeout(60_000);
    await p.connect(ada);
    await newcomer(ben);
    room = await p.createRoom(ada, 'A long discussion');
    await p.addMember(ada, ben.address);
    await sayMany(ada, SAID);
    await p.stored(ada, `Finding number ${SAID}.`);
    await ada.page.locator('[data-testid=message]:not([data-state=stored])').waitFor({ state: 'detached' });
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('shows the newest first, and all of it in the end', async () => {
    await ben.context.addInitScript(follow, `Finding number ${SAID}.`);
    await p.enterRoom(ben, room);
    await p.message(ben, `Finding number ${SAID}.`).first().waitFor();
    // 100 are shown; the others are counted once they are here.
    await older(ben).filter({ hasText: rest(SAID) }).waitFor();
    const came = await ben.page.evaluate(() => window.__came);
    const early = came.find(({ here, all, readable }) => readable && Number(here) < Number(all) - 400);
    assert.ok(early, `the newest message was not readable before the older part came: ${JSON.stringify(came)}`);
    const shown = (await ben.page.getByTestId('message').allTextContents()).map((row) => Number(row.match(/Finding number (\d+)\./)?.[1]));
    assert.ok(shown.length >= 100, `${shown.length} are shown`);
    assert.deepEqual(shown, Array.from(shown, (_, i) => SAID - shown.length + 1 + i), 'in the order in which it was said');
  });

  it('goes on after a reload in the middle, and what is said then is in its place', async () => {
    const cai = await p.person(browser, stack);
    cai.context.setDefaultTimeout(60_000);
    await newcomer(cai);
    await p.addMember(ada, cai.address);
    await p.open(cai, room);
    await p.message(cai, `Finding number ${SAID}.`).first().waitFor();
    await cai.page.reload();
    await p.message(cai, `Finding number ${SAID}.`).first().waitFor();
    await p.say(cai, 'Read from the end.');
    await p.message(ada, 'Read from the end.').first().waitFor();
    await older(cai).filter({ hasText: rest(SAID + 1) }).waitFor();
    assert.match(await cai.page.getByTestId('message').last().textContent(), /Read from the end\./);
    p.clean(cai);
    await cai.context.close();
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
