// What every viewer's page begins with.
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const watch = path.join(path.dirname(fileURLToPath(import.meta.url)), 'watch.js');

/** Makes the page one input with these files chosen, and one box for the viewer. */
export async function choose(page, paths) {
  await page.evaluate(() => {
    document.body.innerHTML = '<input type="file" id="bench-files" multiple><div id="bench"></div>';
    Object.assign(document.getElementById('bench').style, { width: '800px', height: '800px' });
  });
  await page.setInputFiles('#bench-files', paths);
  // By the debugger: a page's own policy has no say in it.
  await page.evaluate(await readWatch());
}

const readWatch = async () => (await import('node:fs/promises')).readFile(watch, 'utf8');
