// De-identification in numbers: the same real files through our command, npm's dcmjs and PyPI's dicom-anonymizer, in one
// run. What survives is judged by a program of none of them (pydicom), with the values that `tools/reference.py` listed.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { machine, print, save } from './table.mjs';

const run = promisify(execFile);
const { HEALTHSYNC_IMAGING: imaging, HEALTHSYNC_PYTHON: python, HEALTHSYNC_SAMPLES: samples } = process.env;
const here = path.dirname(fileURLToPath(import.meta.url));
const tables = path.join(here, '../../crates/imaging/tests/real_files');
const lines = async (name) => (await readFile(path.join(tables, name), 'utf8')).trim().split('\n').slice(1).map((line) => line.split('\t'));

const folder = await mkdtemp(path.join(tmpdir(), 'bench-deid-'));
const results = { machine: machine() };
console.log(results.machine);
try {
  const from = path.join(folder, 'in');
  await mkdir(from);
  const keys = new Map();
  let bytes = 0;
  for (const [place, inside, sha256, , , , , expected] of await lines('reference.tsv')) {
    if (expected === 'refused') continue;
    const source = path.join(samples, place, inside);
    const content = await readFile(source).catch(() => null);
    if (!content) {
      console.log(`skipped: ${place}/${inside}, which could not be had`);
      continue;
    }
    const name = `${String(keys.size + 1).padStart(4, '0')}.dcm`;
    await copyFile(source, path.join(from, name));
    keys.set(name, sha256.slice(0, 16));
    bytes += content.length;
  }
  results.files = keys.size;
  results.bytes = bytes;
  console.log(`${keys.size} files with a picture, ${(bytes / 1e6).toFixed(0)} MB`);

  const programs = [
    ['ours', imaging, (to) => ['deidentify', from, to, '--reviewed']],
    ['dcmjs 0.51.1', process.execPath, (to) => [path.join(here, 'deid/dcmjs.mjs'), from, to]],
    ['dicom-anonymizer 2.1.0', python, (to) => [path.join(here, 'deid/anonymizer.py'), from, to]],
  ];
  const rows = [['program', 'written', 'refused', 'values left', 'of', 'files with any', 'with private elements', 'seconds']];
  for (const [name, program, words] of programs) {
    const to = path.join(folder, name.split(' ')[0]);
    const start = performance.now();
    await run(program, words(to), { maxBuffer: 1 << 28 });
    const seconds = (performance.now() - start) / 1000;
    const written = (await readdir(to)).sort();
    // Ours gives new names in the order of the old ones; the others keep them.
    const order = name === 'ours' ? [...keys.values()] : written.map((file) => keys.get(file));
    if (order.length !== written.length) throw new Error(`${name} wrote ${written.length} files of ${order.length}`);
    const list = path.join(folder, `${path.basename(to)}.json`);
    await writeFile(list, JSON.stringify({ [path.basename(to)]: order }));
    const { stdout } = await run(python, [path.join(here, 'deid/judge.py'), path.join(tables, 'identities.tsv'), list, to], { maxBuffer: 1 << 26 });
    const said = JSON.parse(stdout);
    const refused = keys.size - said.written;
    results[name] = { ...said, refused, seconds };
    rows.push([name, said.written, refused, said.left, said.searched, said.files, said.private, seconds.toFixed(1)]);
  }
  print('De-identification: what is left outside of the pixels', rows);
  console.log('Ours also decodes every frame, compares it, searches its output and writes a receipt in that time.');
  await save(results);
} finally {
  await rm(folder, { recursive: true, force: true });
}
