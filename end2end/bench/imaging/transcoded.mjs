// Real pixels in syntaxes of which there is no real file to be had: written by the encoders of Cornerstone3D's codecs.
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { encapsulated } from '../../lib/dicom.mjs';

const require = createRequire(import.meta.url);

/** The grey samples of an uncompressed file, little endian, of two bytes. */
function samples(file) {
  const set = require('dicom-parser').parseDicom(new Uint8Array(file));
  const { dataOffset, length } = set.elements.x7fe00010;
  return {
    columns: set.uint16('x00280011'), rows: set.uint16('x00280010'),
    bits: set.uint16('x00280101'), signed: set.uint16('x00280103') === 1,
    pixels: file.subarray(dataOffset, dataOffset + length),
  };
}

const frame = ({ columns, rows, bits, signed }) => ({
  width: columns, height: rows, bitsPerSample: bits, componentCount: 1, isSigned: signed, isUsingColorTransform: false,
});

async function encode(module, name, picture) {
  const encoder = new (await require(module)())[name]();
  encoder.getDecodedBuffer(frame(picture)).set(picture.pixels);
  encoder.encode();
  return Buffer.from(encoder.getEncodedBuffer());
}

/** The file at `from` again, losslessly as JPEG-LS. */
export async function jpegls(from) {
  const picture = samples(await readFile(from));
  return encapsulated({ ...picture, syntax: '1.2.840.10008.1.2.4.80', stream: await encode('@cornerstonejs/codec-charls/wasmjs', 'JpegLSEncoder', picture) });
}

/** Likewise as high-throughput JPEG 2000. */
export async function htj2k(from) {
  const picture = samples(await readFile(from));
  return encapsulated({ ...picture, syntax: '1.2.840.10008.1.2.4.201', stream: await encode('@cornerstonejs/codec-openjph/wasmjs', 'HTJ2KEncoder', picture) });
}
