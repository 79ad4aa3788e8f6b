// Keys in numbers, beside Lighthouse's own client in the same run: making and recovering shares, encrypting and
// decrypting, and opening a shared file end to end. The client rests a second after each call to a node; both its time
// as published and without the rests are shown. Opening is measured from the wish to the plain bytes in hand.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { cipher } from '../lighthouse/cipher.mjs';
import { apiKey, kavach, pointAt, prove, sdk, withoutRests } from '../lighthouse/client.mjs';
import * as p from '../lib/people.mjs';
import { file, pngOfBytes } from '../lib/pictures.mjs';
import { startStack } from '../stack.mjs';
import { machine, ms, percentile, print, save } from './table.mjs';

const run = promisify(execFile);
const KEYS = process.env.HEALTHSYNC_KEYS;
const OPENINGS = Number(process.env.BENCH_OPENINGS ?? 5);

const timed = async (count, work) => {
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times;
};
const median = (times) => percentile(times, 50);
const brief = (value) => (value < 0.1 ? `${(value * 1000).toFixed(0)} µs` : ms(value));
const times = (ours, theirs) => `${(median(theirs) / median(ours)).toFixed(1)} ×`;

const results = { machine: machine() };
console.log(results.machine);

const ours = JSON.parse((await run(KEYS, ['bench'])).stdout);
const { masterKey, keyShards } = await kavach.generate();
const { encryptFile, decryptFile } = cipher;
const theirs = {
  generate: await timed(200, () => kavach.generate()),
  recover: await timed(200, () => kavach.recoverKey(keyShards.slice(0, 3))),
};
for (const [name, bytes, count] of [['1', 1_000_000, 10], ['75', 75_000_000, 3]]) {
  const plain = randomBytes(bytes);
  let sealed;
  theirs[`encrypt ${name}`] = await timed(count, async () => { sealed = await encryptFile(plain, masterKey); });
  theirs[`decrypt ${name}`] = await timed(count, () => decryptFile(sealed, masterKey));
}
const rows = [['step', 'ours', "Lighthouse's client", 'faster', 'target']];
for (const [step, label, target] of [['generate', '5 shares made', ''], ['recover', 'key from 3 shares', '100 ×'], ['encrypt 1', 'encrypt 1 MB', ''],
  ['decrypt 1', 'decrypt 1 MB', ''], ['encrypt 75', 'encrypt 75 MB', ''], ['decrypt 75', 'decrypt 75 MB', '']]) {
  rows.push([label, brief(median(ours[step])), brief(median(theirs[step])), times(ours[step], theirs[step]), target]);
  results[step] = { ours: ours[step], theirs: theirs[step] };
}
print('Keys and files, native beside node', rows);

const stack = await startStack();
const folder = await mkdtemp(path.join(tmpdir(), 'bench-keys-'));
const browser = await p.launch();
try {
  pointAt(stack.url);
  const [ada, ben] = [0, 1].map(() => privateKeyToAccount(generatePrivateKey()));
  const key = await apiKey(ada, stack.url);
  const name = path.join(folder, 'picture');
  await writeFile(name, randomBytes(1_000_000));
  let restAgain = withoutRests();
  const { data: [stored] } = await sdk.uploadEncrypted(name, key, ada.address, await prove(ada));
  await sdk.shareFile(ada.address, [ben.address], stored.Hash, await prove(ada));
  const open = async () => {
    const { data } = await sdk.fetchEncryptionKey(stored.Hash, ben.address, await prove(ben));
    await sdk.decryptFile(stored.Hash, data.key);
  };
  const hurried = await timed(OPENINGS, open);
  restAgain();
  const published = await timed(OPENINGS, open);

  const [reader, writer] = await Promise.all([p.person(browser, stack), p.person(browser, stack)]);
  await p.connect(writer);
  await p.connect(reader);
  const room = await p.createRoom(writer, 'Bench');
  await p.addMember(writer, reader.address);
  const openings = [];
  for (let i = 0; i < OPENINGS; i++) {
    const caption = `Bench picture ${i}`;
    await p.enterRoom(writer, room);
    await p.share(writer, caption, [file(`bench-${i}.png`, pngOfBytes(1_000_000, i + 1))]);
    await p.enterRoom(reader, room);
    await p.openCase(reader, caption);
    await reader.page.getByTestId('unlock').waitFor();
    const start = performance.now();
    await reader.page.getByTestId('unlock').click();
    await p.picture(reader);
    openings.push(performance.now() - start);
  }
  print('Opening a shared file of 1 MB, end to end', [
    ['who', 'p50', 'max', 'slower than our page'],
    ['our page, from click to picture', ms(median(openings)), ms(Math.max(...openings)), ''],
    ["Lighthouse's client", ms(median(published)), ms(Math.max(...published)), times(openings, published)],
    ["Lighthouse's client without its rests", ms(median(hurried)), ms(Math.max(...hurried)), times(openings, hurried)],
  ]);
  results.open = { ours: openings, theirs: published, theirsWithoutRests: hurried };
  await save(results);
} finally {
  await browser.close();
  await rm(folder, { recursive: true, force: true });
  await stack.stop();
}
