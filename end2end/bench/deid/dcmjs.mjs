// Cleans every file of a folder with dcmjs, as its own `anonymizer` does: read, `cleanTags`, write.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import dcmjs from 'dcmjs';

const [from, to] = process.argv.slice(2);
dcmjs.log.setLevel('silent');
await mkdir(to, { recursive: true });
let refused = 0;
for (const name of (await readdir(from)).sort()) {
  try {
    const bytes = await readFile(path.join(from, name));
    const file = dcmjs.data.DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    dcmjs.anonymizer.cleanTags(file.dict);
    await writeFile(path.join(to, name), Buffer.from(file.write()));
  } catch {
    refused += 1;
  }
}
console.log(JSON.stringify({ refused }));
