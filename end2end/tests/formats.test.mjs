// What else a series may come as: a TIFF of several pages, a NIfTI volume, and what files draw over their images.
import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readReport } from '../interop/report.mjs';
import { PHI, ct, radiograph } from '../lib/dicom.mjs';
import { drag, spot, stage } from '../lib/drawing.mjs';
import { NAME, nifti, tiff } from '../lib/formats.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';

const SHOTS = new URL('../artifacts/', import.meta.url);
const row = (me, name) => me.page.locator('.thumb').filter({ hasText: name });
const dialog = (me) => me.page.getByTestId('review-dialog');
const shot = (me, name) => me.page.screenshot({ path: fileURLToPath(new URL(`${name}.png`, SHOTS)) });

/** What it is like on a phone: nothing is cut off at the side. */
async function phone(me, name) {
  const size = me.page.viewportSize();
  await me.page.setViewportSize({ width: 390, height: 844 });
  await shot(me, name);
  assert.ok(await me.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), name);
  await me.page.setViewportSize(size);
}

/** Red, green and blue at a place of a canvas, in parts of its width and height, once they are as wanted. */
async function becomes(me, canvas, [x, y], wanted) {
  let last;
  for (let tries = 0; tries < 200; tries++) {
    last = (await pixels(me, canvas))?.at(x, y);
    if (last && wanted(last)) return last;
  }
  return assert.fail(`the pixel at ${x}, ${y} stays ${last}`);
}

/** All pixels of a canvas, when a frame was drawn. */
async function pixels(me, canvas) {
  const found = await me.page.evaluate(async (canvas) => {
    await new Promise(requestAnimationFrame);
    const from = document.querySelector(canvas);
    if (!from?.width) return null;
    const context = new OffscreenCanvas(from.width, from.height).getContext('2d');
    context.drawImage(from, 0, 0);
    return { width: from.width, height: from.height, rgba: [...context.getImageData(0, 0, from.width, from.height).data] };
  }, canvas);
  if (!found) return null;
  const { width, height, rgba } = found;
  return { rgba, at: (x, y) => { const from = (Math.floor(height * y) * width + Math.floor(width * x)) * 4; return rgba.slice(from, from + 3); } };
}

describe('pictures of other kinds in the room', { timeout: 600_000 }, () => {
  const VIEW = '[data-testid=image] canvas', LOOK = '[data-testid=review-dialog] canvas';
  let stack, browser, ada, ben, room;

  before(async () => {
    stack = await startStack();
    // WebGL2 without a graphics processor.
    browser = await p.launch(['--enable-unsafe-swiftshader']);
    [ada, ben] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
    await p.connect(ada);
    await p.connect(ben);
    room = await p.createRoom(ada, 'Neuro conference');
    await p.addMember(ada, ben.address);
    await p.enterRoom(ben, room);
    await mkdir(SHOTS, { recursive: true });
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  /** Shares what is attached, and lets the other one open it. */
  async function share(caption) {
    await ada.page.getByTestId('composer').fill(caption);
    await ada.page.getByTestId('send').click();
    await ada.page.getByRole('heading', { name: caption }).waitFor({ timeout: 60_000 });
    const tab = ben.page.locator('.case-tabs').getByRole('link', { name: caption });
    if (await ben.page.getByRole('heading', { name: caption }).count() === 0) await tab.click().catch(() => {});
    await ben.page.getByRole('heading', { name: caption }).waitFor({ timeout: 60_000 });
    await ben.page.getByTestId('unlock').click();
    await stage(ben).locator('canvas').waitFor({ timeout: 60_000 });
  }

  /** The tags and the receipt of what Ben sees hold no name. */
  async function nothingOf(...values) {
    await stage(ben).focus();
    await ben.page.keyboard.press('t');
    const tags = ben.page.locator('[data-tags] table');
    await tags.getByRole('cell', { name: 'Rows', exact: true }).waitFor();
    for (const value of values) assert.ok(!(await tags.innerText()).includes(value), value);
    await ben.page.keyboard.press('Escape');
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-act=receipt]').click();
    const receipt = ben.page.locator('[data-receipt]');
    await receipt.getByText(/^All \d+ files here are the ones of the receipt/).waitFor();
    const text = await receipt.innerText();
    for (const value of values) assert.ok(!text.includes(value), value);
    await ben.page.keyboard.press('Escape');
    return text;
  }

  it('takes a NIfTI volume, says which fields come off, and measures it in millimetres', async () => {
    await ada.page.getByTestId('attach').setInputFiles([nifti()]);
    await row(ada, 'NIfTI, 24 images').filter({ hasText: /removed/ }).waitFor({ timeout: 60_000 });
    await row(ada, 'NIfTI').getByTestId('review').click();
    await dialog(ada).getByText('Every field').click();
    for (const field of ['descrip', 'db_name', 'Extension 2 (a DICOM header)']) await dialog(ada).getByRole('cell', { name: field, exact: true }).waitFor();
    await becomes(ada, LOOK, [0.5, 0.1], ([r]) => r < 80);
    await shot(ada, 'formats-look');
    assert.ok(!(await dialog(ada).innerText()).includes('OKONKWO'));
    await ada.page.keyboard.press('Escape');
    await dialog(ada).waitFor({ state: 'detached' });
    await share('Ball in a volume');
    await ben.page.locator('[data-scrub-text]').filter({ hasText: 'Slice 1 / 24' }).waitFor();
    // Its rows go to the front; it is hung with the front above.
    await ben.page.locator('[data-corner=t]').filter({ hasText: /^A$/ }).waitFor();
    await ben.page.locator('[data-choose=slice]').fill('13');
    // One window for all slices: the ball is white in its middle, and what is around it dark.
    await becomes(ben, VIEW, [0.5, 0.5], ([r]) => r > 220);
    await becomes(ben, VIEW, [0.05, 0.05], ([r]) => r < 40);
    await stage(ben).focus();
    await ben.page.keyboard.press('l');
    // The stage is square or wider: from above to below, 40 % of 64 pixels of 1.5 mm.
    await drag(ben, [0.5, 0.3], [0.5, 0.7]);
    for (const me of [ada, ben]) await me.page.getByTestId('measurement').filter({ hasText: /\d+\.\d mm/ }).waitFor();
    await ben.page.mouse.move(...await spot(ben, 0.5, 0.49));
    await ben.page.mouse.move(...await spot(ben, 0.5, 0.5));
    await ben.page.locator('[data-corner=bs]').filter({ hasText: /9\d\d at 3\d, 3\d/ }).waitFor();
    await shot(ben, 'formats-nifti');
    // Other planes, as of any volume.
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-axis=rows]').click();
    await ben.page.locator('[data-corner=ts]').filter({ hasText: 'plane of rows' }).waitFor();
    await becomes(ben, VIEW, [0.5, 0.5], ([r]) => r > 220);
    // They are hung as the slices are: the patient's left is on the right in all that show it.
    const letter = (corner, text) => ben.page.locator(`[data-corner=${corner}]`).filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
    await letter('e', 'L');
    await letter('t', 'H');
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-axis=columns]').click();
    await letter('e', 'P');
    await letter('t', 'H');
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-axis=slices]').click();
    await letter('e', 'L');
    await letter('t', 'A');
    // The ball begins behind the third slice; a projection through its neighbours shows it and names its value.
    await ben.page.locator('[data-choose=slice]').fill('3');
    await becomes(ben, VIEW, [0.5, 0.5], ([r]) => r < 40);
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-act=slab]').click();
    await becomes(ben, VIEW, [0.5, 0.5], ([r]) => r > 220);
    await ben.page.mouse.move(...await spot(ben, 0.5, 0.49));
    await ben.page.mouse.move(...await spot(ben, 0.5, 0.5));
    await ben.page.locator('[data-corner=bs]').filter({ hasText: /9\d\d at 3\d, 3\d/ }).waitFor();
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-act=slab]').click();
    assert.match(await nothingOf('OKONKWO', 'ADAEZE', '1957'), /parts of the NIfTI file were removed/);
  });

  it('takes a TIFF of three pages, covers a part of each, and shows them as a stack', async () => {
    await ada.page.getByTestId('attach').setInputFiles([tiff()]);
    const mine = row(ada, 'TIFF, 3 images');
    await mine.filter({ hasText: /removed/ }).waitFor({ timeout: 60_000 });
    await mine.getByTestId('review').click();
    await becomes(ada, LOOK, [0.5, 0.3], ([r]) => r > 240);
    await dialog(ada).getByRole('button', { name: 'Cover the top' }).click();
    // A triangle around what is at the lower left, drawn by hand.
    await dialog(ada).getByRole('button', { name: 'Draw an outline' }).click();
    const box = await dialog(ada).locator('canvas').boundingBox();
    const to = (x, y) => ada.page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 6 });
    await to(0.05, 0.95);
    await ada.page.mouse.down();
    for (const [x, y] of [[0.05, 0.7], [0.3, 0.95], [0.06, 0.95]]) await to(x, y);
    await ada.page.mouse.up();
    await dialog(ada).getByText('You cover 2 parts, in every image.').waitFor();
    await shot(ada, 'formats-outline');
    await phone(ada, 'formats-outline-phone');
    await dialog(ada).getByLabel(/I have looked at all 3 images/).check();
    await ada.page.getByTestId('use-series').click();
    await dialog(ada).waitFor({ state: 'detached' });
    await mine.filter({ hasText: /removed/ }).waitFor();
    await share('Three films');
    await ben.page.locator('[data-scrub-text]').filter({ hasText: 'Image 1 / 3' }).waitFor();
    for (const [page, y] of [[1, 0.3], [2, 0.5], [3, 0.7]]) {
      await ben.page.locator('[data-choose=slice]').fill(String(page));
      await becomes(ben, VIEW, [0.5, y], ([r]) => r > 240);
      // Covered above and by the outline; beside that nothing is.
      await becomes(ben, VIEW, [0.5, 0.05], ([r]) => r === 0);
      await becomes(ben, VIEW, [0.1, 0.9], ([r]) => r === 0);
      await becomes(ben, VIEW, [0.3, 0.75], ([r]) => r > 0);
    }
    await stage(ben).focus();
    await ben.page.keyboard.press('l');
    await drag(ben, [0.4, 0.5], [0.6, 0.5]);
    // A TIFF does not say how large its pixels are.
    await ben.page.getByTestId('measurement').filter({ hasText: /\d+ px/ }).waitFor();
    await shot(ben, 'formats-tiff');
    const text = await nothingOf('OKONKWO', 'ADAEZE', '1957');
    for (const field of ['ImageDescription (270)', 'Artist (315)']) assert.ok(text.includes(field), field);
  });

  it('shows what files draw over their images to the one who prepares them, by either path, and to nobody else', async () => {
    await ada.page.getByTestId('attach').setInputFiles(ct({ slices: 3, size: 128, drawn: true }));
    const mine = row(ada, 'CT, 3 images');
    await mine.filter({ hasText: /removed/ }).waitFor({ timeout: 60_000 });
    const yellow = ([r, g, b]) => r === 255 && g === 214 && b === 10;
    const look = async () => {
      await mine.getByTestId('review').click();
      await becomes(ada, LOOK, [0.5, 0.15], yellow);
      const { rgba } = await pixels(ada, LOOK);
      return rgba;
    };
    const byCpu = await look();
    await shot(ada, 'formats-overlay');
    await dialog(ada).getByLabel(/^Show what the files draw/).uncheck();
    await becomes(ada, LOOK, [0.5, 0.15], (pixel) => !yellow(pixel));
    await ada.page.keyboard.press('Escape');
    await dialog(ada).waitFor({ state: 'detached' });
    await ada.page.evaluate(() => localStorage.setItem('imaging', 'gpu'));
    const byGpu = await look();
    assert.equal(byGpu.findIndex((value, at) => value !== byCpu[at]), -1);
    await ada.page.evaluate(() => localStorage.removeItem('imaging'));
    await ada.page.keyboard.press('Escape');
    await dialog(ada).waitFor({ state: 'detached' });
    await share('Drawn over');
    await becomes(ben, VIEW, [0.5, 0.15], ([r, g, b]) => r === g && g === b);
    await ben.page.locator('[data-act=more]').click();
    assert.ok(await ben.page.locator('[data-act=overlays]').isHidden());
    await ben.page.keyboard.press('Escape');
    await nothingOf(...Object.values(PHI));
  });

  it('exports measurements as a DICOM report that others read, and reads it again', async () => {
    await ben.page.locator('[data-choose=slice]').fill('2');
    await ben.page.locator('[data-scrub-text]').filter({ hasText: 'Slice 2 / 3' }).waitFor();
    const mine = ben.page.getByTestId('measurement').filter({ hasText: 'you' });
    const before = await mine.count();
    await stage(ben).focus();
    await ben.page.keyboard.press('l');
    await drag(ben, [0.45, 0.4], [0.55, 0.6]);
    await mine.nth(before).waitFor();
    await stage(ben).focus();
    await ben.page.keyboard.press('e');
    await drag(ben, [0.45, 0.3], [0.55, 0.45]);
    await mine.filter({ hasText: /HU/ }).waitFor();
    const lengths = (me) => me.page.getByTestId('measurement').filter({ hasText: /slice 2/ }).filter({ hasText: /^Length/ });
    const length = (await lengths(ben).innerText()).match(/([\d.]+) mm/)[1];
    await ben.page.locator('[data-act=more]').click();
    await shot(ben, 'formats-menu');
    const [download] = await Promise.all([ben.page.waitForEvent('download'), ben.page.locator('[data-act=export]').click()]);
    assert.equal(download.suggestedFilename(), 'measurements.dcm');
    const file = await download.path();
    const bytes = await readFile(file);
    for (const value of [...Object.values(PHI), ada.address, ben.address]) assert.ok(!bytes.includes(value), value);
    const { template, groups } = readReport(bytes);
    assert.equal(template, '1500');
    const drawn = groups.filter(({ images }) => images.size === 1);
    const found = drawn.find(({ numbers }) => numbers.Length)?.numbers;
    assert.equal(found.Length[0].toFixed(1), length);
    assert.equal(found.Length[1], 'mm');
    const region = drawn.find(({ numbers }) => numbers.Area).numbers;
    assert.deepEqual([region.Area[1], region.Mean[1], region.Maximum[1]], ['mm2', "[hnsf'U]", "[hnsf'U]"]);
    assert.ok(region.Minimum[0] <= region.Mean[0] && region.Mean[0] <= region.Maximum[0]);
    // Its images are those of the case, by the UIDs that they have after cleaning.
    const uids = new Set(drawn.flatMap(({ images }) => [...images]));
    assert.ok([...uids].every((uid) => uid.startsWith('2.25.')), [...uids].join());
    const report = ada.page.locator('[data-choose=report]');
    await ada.page.locator('[data-act=more]').click();
    const [chooser] = await Promise.all([ada.page.waitForEvent('filechooser'), ada.page.locator('[data-act=import]').click()]);
    await chooser.setFiles({ name: 'other.dcm', mimeType: 'application/dicom', buffer: ct({ slices: 1, size: 16 })[0].buffer });
    await ada.page.getByTestId('toast').filter({ hasText: 'This DICOM file is no structured report.' }).waitFor();
    await report.setInputFiles(file);
    const read = ada.page.getByTestId('measurement').filter({ hasText: 'from a file' });
    await read.filter({ hasText: `${length} mm` }).filter({ hasText: /slice 2/ }).waitFor();
    await read.filter({ hasText: /HU/ }).filter({ hasText: /[cm]m²/ }).waitFor();
    assert.equal(await read.count(), groups.length);
    await shot(ada, 'formats-read');
    await ada.page.locator('[data-act=more]').click();
    await phone(ada, 'formats-read-phone');
    await ada.page.keyboard.press('Escape');
  });

  it('shows nothing in the place of a slice that does not decode, and measures nothing there', async () => {
    // The worker is asked for a slice that is not there instead, and says so.
    await ben.page.evaluate(() => {
      const post = Worker.prototype.postMessage;
      window.mend = () => { Worker.prototype.postMessage = post; };
      Worker.prototype.postMessage = function (message, ...rest) {
        const ask = typeof message?.ask === 'string' && message.ask.startsWith('{"ask":"show"') ? message.ask.replace('"slice":1}', '"slice":900}') : message?.ask;
        return post.call(this, ask === message?.ask ? message : { ...message, ask }, ...rest);
      };
    });
    const place = ben.page.locator('[data-scrub-text]'), fault = stage(ben).getByTestId('error');
    await ben.page.locator('[data-choose=slice]').fill('1');
    await place.filter({ hasText: 'Slice 1 / 3' }).waitFor();
    await ben.page.locator('[data-choose=slice]').fill('2');
    await fault.filter({ hasText: 'There is no slice 901' }).waitFor();
    await stage(ben).locator('canvas').waitFor({ state: 'detached' });
    assert.equal(await place.innerText(), 'Slice 2 / 3');
    assert.equal(await stage(ben).locator('.mark-label').count(), 0);
    const before = await ben.page.getByTestId('measurement').count();
    await stage(ben).focus();
    await ben.page.keyboard.press('l');
    await drag(ben, [0.4, 0.4], [0.6, 0.6]);
    await ben.page.locator('[data-choose=slice]').fill('3');
    await becomes(ben, VIEW, [0.5, 0.75], ([r]) => r > 200);
    await fault.waitFor({ state: 'hidden' });
    assert.equal(await place.innerText(), 'Slice 3 / 3');
    assert.equal(await ben.page.getByTestId('measurement').count(), before);
    await ben.page.evaluate(() => window.mend());
    await ben.page.locator('[data-choose=slice]').fill('2');
    await place.filter({ hasText: 'Slice 2 / 3' }).waitFor();
    await stage(ben).locator('.mark-label').first().waitFor();
  });

  it('shows a place that is pressed in one of two views in the other one', async () => {
    const second = ben.page.getByTestId('image-second');
    await stage(ben).focus();
    await ben.page.keyboard.press('s');
    await ben.page.keyboard.press('2');
    await second.locator('canvas').waitFor();
    // The second becomes the one that the tools are for.
    await second.click({ position: { x: 5, y: 100 } });
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-axis=rows]').click();
    const place = ben.page.locator('[data-scrub-text]');
    await place.filter({ hasText: 'Plane 65 / 128' }).waitFor();
    await second.locator('[data-corner=ts]').filter({ hasText: 'plane of rows' }).waitFor();
    await ben.page.mouse.click(...await spot(ben, 0.5, 0.4));
    for (const view of [stage(ben), second]) await view.locator('.mark--cross').waitFor({ state: 'attached' });
    await shot(ben, 'formats-cross');
    await second.click({ position: { x: 5, y: 100 } });
    await place.filter({ hasText: /^Plane (4\d|5\d|60) / }).waitFor();
    await stage(ben).focus();
    await ben.page.keyboard.press('Escape');
    await stage(ben).locator('.mark--cross').waitFor({ state: 'detached' });
    await ben.page.keyboard.press('2');
    await second.waitFor({ state: 'detached' });
  });

  it('shows a radiograph by its own table, lets it be windowed, and writes its sides on', async () => {
    await ada.page.getByTestId('attach').setInputFiles([radiograph()]);
    await row(ada, 'CR, 1 image').filter({ hasText: /removed/ }).waitFor({ timeout: 60_000 });
    await share('Wrist');
    await becomes(ben, VIEW, [0.6, 0.5], (pixel) => pixel.every((level) => level === 255));
    await becomes(ben, VIEW, [0.4, 0.5], (pixel) => pixel.every((level) => level === 0));
    const letters = (place, side) => ben.page.locator(`[data-corner=${place}]`).filter({ hasText: new RegExp(`^${side}$`) }).waitFor();
    for (const [place, side] of [['e', 'L'], ['s', 'R'], ['b', 'F'], ['t', 'H']]) await letters(place, side);
    await ben.page.locator('[data-act=more]').click();
    await ben.page.locator('[data-act=flip]').click();
    for (const [place, side] of [['e', 'R'], ['s', 'L'], ['b', 'F'], ['t', 'H']]) await letters(place, side);
    await shot(ben, 'formats-radiograph');
    await stage(ben).focus();
    await ben.page.keyboard.press('r');
    await letters('e', 'L');
    await ben.page.keyboard.press('w');
    await drag(ben, [0.5, 0.5], [0.52, 0.5]);
    await ben.page.locator('[data-corner=te]').filter({ hasText: /W \d+ L \d+/ }).waitFor();
    await becomes(ben, VIEW, [0.4, 0.5], (pixel) => pixel.every((level) => level > 60 && level < 130));
    await ben.page.locator('[data-choose=preset]').selectOption({ label: 'Window of the file' });
    await becomes(ben, VIEW, [0.4, 0.5], (pixel) => pixel.every((level) => level === 0));
  });

  it('keeps what its owner chooses to keep, says so in the receipt, and never the date of birth', async () => {
    await ada.page.getByTestId('attach').setInputFiles(ct({ slices: 2, size: 64 }));
    const mine = row(ada, 'CT, 2 images');
    await mine.filter({ hasText: /removed/ }).waitFor({ timeout: 60_000 });
    await mine.getByTestId('review').click();
    await dialog(ada).getByText('Keep some of it').click();
    await dialog(ada).getByRole('checkbox', { name: /^The patient:/ }).check();
    await dialog(ada).getByRole('checkbox', { name: /^All dates and times/ }).check();
    await dialog(ada).getByRole('checkbox', { name: /^I have looked/ }).check();
    await shot(ada, 'formats-keep');
    await ada.page.getByTestId('use-series').click();
    await dialog(ada).waitFor({ state: 'detached' });
    await mine.filter({ hasText: /removed/ }).waitFor();
    await share('Kept by choice');
    const receipt = await nothingOf(...Object.values(PHI));
    assert.match(receipt, /Kept by choice: Longitudinal Temporal Information Full Dates, Patient Characteristics\./);
    const tag = (number) => ben.page.locator('[data-tags] tr').filter({ hasText: number }).first().textContent();
    assert.match(await tag('0008,0020'), /20240118/);
    assert.match(await tag('0010,0040'), /F/);
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben));
});
