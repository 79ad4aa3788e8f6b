// node compress.mjs FILE...: writes FILE.br and FILE.gz beside each, unless they are there. Node has brotli built in; a
// library for it would take longer to compile than all files take to be compressed.
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const KINDS = {
  br: (bytes) => promisify(brotliCompress)(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: 22,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  }),
  gz: (bytes) => promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
};

await Promise.all(process.argv.slice(2).flatMap((file) => Object.entries(KINDS).map(async ([ending, compress]) => {
  const beside = `${file}.${ending}`;
  if (existsSync(beside)) return;
  // A file that exists is complete: written beside and renamed.
  await writeFile(`${beside}.new`, await compress(await readFile(file)));
  await rename(`${beside}.new`, beside);
})));
