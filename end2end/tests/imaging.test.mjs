// Looking together: a shared photograph is magnified, measured and pointed at by one person, and the other one sees it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mkdir } from 'node:fs/promises';
import { AxeBuilder } from '@axe-core/playwright';
import { file, png } from '../lib/pictures.mjs';
import { drag, spot, stage } from '../lib/drawing.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

const SHOTS = new URL('../artifacts/', import.meta.url);

const measurements = (me) => me.page.getByTestId('measurement');

describe('two people look at a picture together', { timeout: 300_000 }, () => {
  let stack, browser, ada, ben, room;

  before(async () => {
    stack = await startStack();
    browser = await p.launch();
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    await p.connect(ada);
    await p.connect(ben);
    room = await p.createRoom(ada, 'Looking together');
    await p.addMember(ada, ben.address);
    await p.share(ada, 'Nodule', [file('cr.png', png({ width: 400, height: 300 })), file('ct.png', png({ seed: 5 }))]);
    await p.enterRoom(ben, room);
    await p.unlock(ben);
    await p.picture(ada);
    await mkdir(SHOTS, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  it('shows a measurement to both, in pixels, and says so', async () => {
    await stage(ada).focus();
    await ada.page.keyboard.press('l');
    await drag(ada, [0.4, 0.5], [0.6, 0.5]);
    for (const me of [ada, ben]) await measurements(me).filter({ hasText: /\d+ px/ }).waitFor();
    const [mine, hers] = await Promise.all([ada, ben].map((me) => measurements(me).innerText()));
    assert.match(mine, /you/);
    assert.match(hers, new RegExp(ada.address.slice(0, 6), 'i'));
    assert.equal(mine.match(/\d+ px/)[0], hers.match(/\d+ px/)[0]);
  });

  it('lets only its author delete it, and undo and redo it', async () => {
    assert.equal(await measurements(ben).getByRole('button', { name: 'Delete' }).count(), 0);
    await stage(ada).focus();
    await ada.page.keyboard.press('Control+z');
    await measurements(ben).waitFor({ state: 'detached' });
    await ada.page.keyboard.press('Control+Shift+z');
    await measurements(ben).waitFor();
  });

  it('shows where the other one points', async () => {
    await ada.page.mouse.move(...await spot(ada, 0.5, 0.4));
    await ada.page.mouse.move(...await spot(ada, 0.52, 0.42));
    await ben.page.getByTestId('pointer').waitFor({ state: 'attached' });
    for (const me of [ada, ben]) await me.page.screenshot({ path: fileURLToPath(new URL(`look-${me === ada ? 'ada' : 'ben'}.png`, SHOTS)) });
  });

  it('follows the other one to the next picture', async () => {
    await ben.page.getByRole('button', { name: /^Follow/ }).first().click();
    await stage(ada).focus();
    await ada.page.keyboard.press('PageDown');
    await ben.page.locator('[data-testid=image] img[alt="Image 2 of 2 of this case"]').waitFor();
  });

  it('zooms, turns and flips by buttons and keys, and comes back', async () => {
    const corner = ada.page.locator('[data-corner=te]');
    await stage(ada).focus();
    await ada.page.keyboard.press('+');
    await corner.filter({ hasText: '1.2 × fit' }).waitFor();
    await ada.page.locator('[data-act=more]').click();
    await ada.page.locator('[data-act=flip]').click();
    await corner.filter({ hasText: 'flipped' }).waitFor();
    await ada.page.locator('[data-act=more]').click();
    await ada.page.locator('[data-act=turn]').click();
    await corner.filter({ hasText: 'turned 90°' }).waitFor();
    await stage(ada).focus();
    await ada.page.keyboard.press('r');
    await corner.filter({ hasText: /^fit$/ }).waitFor();
  });

  it('keeps measurements across a reload', async () => {
    await ben.page.reload();
    await p.live(ben);
    await ben.page.getByTestId('unlock').waitFor();
    await p.unlock(ben);
    await measurements(ben).filter({ hasText: /\d+ px/ }).waitFor();
  });

  it('is accessible with the tools open', async () => {
    await ada.page.locator('[data-act=more]').click();
    const { violations } = await new AxeBuilder({ page: ada.page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']).analyze();
    const grave = violations.filter((v) => ['serious', 'critical'].includes(v.impact));
    assert.deepEqual(grave.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), []);
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
