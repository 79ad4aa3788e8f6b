// What every page has to keep, in whatever state it is: nothing serious that axe finds, and nothing wider than its window.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';

const SHOTS = new URL('../artifacts/', import.meta.url);
const RULES = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'];

/** A picture of the page for people to look at. */
export async function shot(page, name, options = {}) {
  await mkdir(SHOTS, { recursive: true });
  await page.screenshot({ path: fileURLToPath(new URL(`${name}.png`, SHOTS)), ...options });
}

/** Fails when axe finds something serious on the page, or in the part of it that `within` selects. */
export async function accessible(page, within) {
  const axe = new AxeBuilder({ page }).withTags(RULES);
  if (within) axe.include(within);
  const { violations } = await axe.analyze();
  const grave = violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  assert.deepEqual(grave.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), []);
}

/** Fails when the page scrolls sideways. */
export async function fits(page) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${overflow} px too wide`);
}
