// The discussion: answers, other words, signs, pins, names, what is new; by mouse, by keyboard, and against tricks.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { accessible, fits, shot } from '../lib/access.mjs';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

describe('talking about what was said', { timeout: 240_000 }, () => {
  let stack, browser, ada, ben, room;
  /** The message that says so itself, not one that quotes it. */
  const message = (me, text) => me.page.getByTestId('message').filter({ has: me.page.locator('.msg__text', { hasText: text }) });
  const more = (me, text) => message(me, text).getByTestId('message-more').click();
  const act = (me, text, name) => message(me, text).getByRole('button', { name, exact: true }).first().click();

  /** On a phone the discussion is one of three regions. */
  const enterTalk = async (me) => {
    await p.open(me, room);
    // The room is there, not only its frame.
    await p.member(me, ada.address).waitFor({ state: 'attached' });
    await me.page.getByRole('link', { name: 'Discussion' }).click();
    await me.page.getByTestId('composer').waitFor();
  };

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    ada = await p.person(browser, stack);
    ben = await p.person(browser, stack, { viewport: { width: 390, height: 844 }, colorScheme: 'dark' });
    await p.connect(ada);
    await p.connect(ben);
    room = await p.createRoom(ada, 'Talking');
    await p.addMember(ada, ben.address);
    await enterTalk(ben);
    await p.say(ada, 'Nodule, 8 mm');
    await message(ben, 'Nodule, 8 mm').waitFor();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('shows people as they want to be shown, with the address beside it', async () => {
    await ada.page.getByTestId('my-profile').locator('summary').click();
    await ada.page.getByTestId('my-profile').getByLabel('Role').fill('Radiology');
    await ada.page.getByTestId('my-profile').getByLabel('City').fill('Lagos');
    await ada.page.getByTestId('my-profile').getByRole('button', { name: 'Show me so' }).click();
    await message(ben, 'Nodule, 8 mm').filter({ hasText: 'Radiology, Lagos' }).waitFor();
    await p.member(ada, ada.address).filter({ hasText: 'Radiology, Lagos' }).waitFor();
  });

  it('answers a message, and names whom the answer is for', async () => {
    await more(ben, 'Nodule, 8 mm');
    await act(ben, 'Nodule, 8 mm', 'Answer');
    await ben.page.getByTestId('composing').filter({ hasText: 'Nodule, 8 mm' }).waitFor();
    await ben.page.getByTestId('composer').fill('Which lobe, @Rad');
    await ben.page.getByTestId('mention-choice').getByRole('button', { name: /Radiology, Lagos/ }).click();
    await ben.page.keyboard.press('Enter');
    const answer = ada.page.locator('[data-testid=message][data-for-you]').filter({ hasText: 'Which lobe, @Radiology, Lagos' });
    await answer.waitFor();
    await answer.locator('.msg__quote').filter({ hasText: 'Nodule, 8 mm' }).waitFor();
    assert.equal(await ben.page.getByTestId('composing').count(), 0);
  });

  it('changes the words of one\'s own message, for everybody, and hides nothing', async () => {
    await more(ada, 'Nodule, 8 mm');
    await act(ada, 'Nodule, 8 mm', 'Edit');
    assert.equal(await ada.page.getByTestId('composer').inputValue(), 'Nodule, 8 mm');
    await ada.page.getByTestId('composer').fill('Nodule, 9 mm, right');
    await ada.page.keyboard.press('Enter');
    const changed = message(ben, 'Nodule, 9 mm, right');
    await changed.waitFor();
    await changed.locator('summary', { hasText: 'edited' }).click();
    await changed.getByText('Nodule, 8 mm').waitFor();
    await more(ben, 'Nodule, 9 mm, right');
    assert.equal(await changed.getByRole('button', { name: 'Edit', exact: true }).count(), 0, 'nobody edits what others said');
    await ben.page.keyboard.press('Escape');
  });

  it('keeps what was being written and attached while an older message is changed', async () => {
    const field = ada.page.getByTestId('composer');
    const now = (text) => ada.page.waitForFunction((text) => document.querySelector('[data-testid=composer]')?.value === text, text);
    await field.fill('Said in hsate');
    await field.press('Enter');
    await message(ben, 'Said in hsate').waitFor();
    await field.fill('Half a thought');
    await ada.page.getByTestId('attach').setInputFiles([file('waits.png', png({ seed: 95 }))]);
    const thumb = ada.page.locator('.thumb').filter({ hasText: /, (clean|\d+ removed)$/ });
    await thumb.waitFor();
    for (const how of ['Escape', 'Enter']) {
      await more(ada, 'Said in hsate');
      await act(ada, 'Said in hsate', 'Edit');
      await now('Said in hsate');
      // Emptied for other words, it stays empty, whatever the room shows anew.
      await field.fill('');
      await p.say(ben, `Meanwhile, before ${how}`);
      await message(ada, `Meanwhile, before ${how}`).waitFor();
      await now('');
      await field.fill('Said in haste');
      await field.press(how);
      await now('Half a thought');
    }
    await message(ben, 'Said in haste').waitFor();
    await ada.page.reload();
    await now('Half a thought');
    await thumb.waitFor();
    assert.equal(await ada.page.getByTestId('case').count(), 0, 'nothing was shared');
    await thumb.getByRole('button').first().click();
    await thumb.waitFor({ state: 'detached' });
    await field.fill('');
  });

  it('gives signs and takes them back', async () => {
    await more(ben, 'Nodule, 9 mm, right');
    await act(ben, 'Nodule, 9 mm, right', 'Agree');
    const chip = message(ada, 'Nodule, 9 mm, right').getByTestId('reaction');
    await chip.filter({ hasText: 'Agree 1' }).waitFor();
    await chip.click();
    await message(ben, 'Nodule, 9 mm, right').getByTestId('reaction').filter({ hasText: 'Agree 2' }).waitFor();
    await chip.click();
    await message(ben, 'Nodule, 9 mm, right').getByTestId('reaction').filter({ hasText: 'Agree 1' }).waitFor();
    await ben.page.keyboard.press('Escape');
  });

  it('brings what can be done with the last message into sight', async () => {
    const size = ben.page.viewportSize();
    await ben.page.setViewportSize({ ...size, height: 420 });
    await p.say(ada, 'The last one');
    await message(ben, 'The last one').waitFor();
    await more(ben, 'The last one');
    await ben.page.waitForFunction(() => {
      const [actions, talk] = ['.msg__actions', '.talk'].map((name) => document.querySelector(name)?.getBoundingClientRect());
      return actions && actions.bottom <= talk.bottom + 1;
    });
    await ben.page.keyboard.press('Escape');
    await ben.page.setViewportSize(size);
  });

  it('pins for everybody, and takes back for good', async () => {
    await p.say(ada, 'Wrong patient, sorry');
    await more(ada, 'Nodule, 9 mm, right');
    await act(ada, 'Nodule, 9 mm, right', 'Pin');
    await ben.page.getByTestId('pins').filter({ hasText: 'Pinned 1' }).waitFor();
    await message(ben, 'Wrong patient, sorry').waitFor();
    await more(ada, 'Wrong patient, sorry');
    await act(ada, 'Wrong patient, sorry', 'Take back');
    await message(ada, 'Wrong patient, sorry').getByRole('button', { name: /for good/ }).click();
    await ben.page.getByTestId('message').filter({ hasText: 'Taken back by its author' }).waitFor();
    assert.equal(await ben.page.getByText('Wrong patient, sorry').count(), 0);
  });

  it('keeps all of it across a reload', async () => {
    await enterTalk(ben);
    await message(ben, 'Nodule, 9 mm, right').getByTestId('reaction').filter({ hasText: 'Agree 1' }).waitFor();
    await ben.page.getByTestId('message').filter({ hasText: 'Taken back by its author' }).waitFor();
    await ben.page.getByTestId('pins').waitFor();
  });

  it('says all that is written while the room opens', async () => {
    const said = ['First while it opens', 'Second while it opens', 'Third while it opens'];
    const page = await ada.context.newPage();
    page.on('pageerror', (error) => ada.errors.push(String(error)));
    await page.addInitScript((said) => {
      // In the very moment in which the page reacts: the room's events are still to be read.
      new MutationObserver((_, watch) => {
        if (!('live' in document.documentElement.dataset)) return;
        watch.disconnect();
        const box = document.querySelector('[data-testid=composer]');
        for (const text of said) {
          box.value = text;
          box.dispatchEvent(new Event('input', { bubbles: true }));
          document.querySelector('[data-testid=send]').click();
        }
      }).observe(document, { subtree: true, attributeFilter: ['data-live'] });
    }, said);
    await page.goto(stack.url + room);
    for (const text of said) await p.stored({ page }, text);
    await page.close();
    for (const text of said) await message(ada, text).waitFor();
    const shown = await ada.page.$$eval('[data-testid=message] .msg__text', (all) => all.map((e) => e.textContent));
    assert.deepEqual(shown.filter((text) => said.includes(text)), said, 'in the order in which they were written');
  });

  it('marks what is new since one looked, in the list and in the room', async () => {
    // As one leaves a room: what was on screen is remembered as seen.
    await ben.page.getByRole('link', { name: 'All rooms' }).click();
    await ben.page.getByTestId('room-card').first().waitFor();
    await p.say(ada, 'Said while nobody looked');
    await p.say(ada, `And for you, @${ben.address.slice(0, 6).toLowerCase()}…${ben.address.slice(-4).toLowerCase()}`);
    await p.stored(ada, 'And for you');
    await p.open(ben, '/rooms');
    await ben.page.getByTestId('room-card').filter({ hasText: 'Mentions you' }).waitFor();
    // Each quarter of a minute the list is looked at again. With nothing new that reads no room's history.
    const again = () => ben.page.waitForResponse((response) => response.url().includes('/rooms_of'));
    await again();
    await ben.page.evaluate(() => {
      window.read = 0;
      const all = IDBObjectStore.prototype.getAll;
      IDBObjectStore.prototype.getAll = function (...range) {
        if (this.name === 'envelopes') window.read++;
        return all.apply(this, range);
      };
    });
    await again();
    assert.equal(await ben.page.evaluate(() => window.read), 0);
    await enterTalk(ben);
    await ben.page.locator('.day--new').waitFor();
    const after = await ben.page.evaluate(() => {
      const mark = document.querySelector('.day--new');
      return [...document.querySelectorAll('[data-testid=message]')].filter((e) => mark.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING).map((e) => e.querySelector('.msg__text').textContent);
    });
    assert.equal(after.length, 2);
    assert.equal(after[0], 'Said while nobody looked');
  });

  it('shows tricks as text', async () => {
    const evil = `<img src=x onerror=alert(1)> left \u202Ethgir\u202C ${'\u0301'.repeat(500)}end`;
    await ada.page.getByTestId('composer').fill(evil);
    await ada.page.getByTestId('send').click();
    const shown = await message(ben, 'onerror').locator('.msg__text').innerText();
    assert.ok(!/[\u202A-\u202E\u2066-\u2069]/.test(shown));
    assert.ok((shown.match(/\u0301/g) ?? []).length <= 4);
    assert.ok(shown.startsWith('<img src=x onerror=alert(1)> left'));
    assert.equal(await ben.page.locator('.msg img').count(), 0);
  });

  it('is usable by keyboard, and axe finds nothing serious', async () => {
    await message(ada, 'Nodule, 9 mm, right').getByTestId('message-more').focus();
    await ada.page.keyboard.press('Enter');
    const answer = message(ada, 'Nodule, 9 mm, right').getByRole('button', { name: 'Answer', exact: true });
    await answer.focus();
    for (const me of [ada, ben]) {
      await accessible(me.page);
      await fits(me.page);
      await shot(me.page, `talk-${me === ada ? 1440 : 390}`);
    }
    await answer.press('Enter');
    await ada.page.getByTestId('composing').waitFor();
    await ada.page.keyboard.press('Escape');
    await ada.page.getByTestId('composing').waitFor({ state: 'detached' });
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
