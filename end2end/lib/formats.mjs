// Files that are no DICOM, made on the spot, with a name in every field that takes words: a TIFF of several pages, and a
// NIfTI volume.
import { gzipSync } from 'node:zlib';

export const NAME = 'OKONKWO^ADAEZE';

/** A TIFF of grey pages, 16 bits: a bright disc that is lower on each page. */
export function tiff({ pages = 3, size = 96 } = {}) {
  const parts = [Buffer.from('II*\0\0\0\0\0', 'latin1')];
  let length = 8;
  const put = (bytes) => { parts.push(bytes); length += bytes.length; return length - bytes.length; };
  const words = put(Buffer.from(`${NAME} Lagos 1957\0`, 'latin1'));
  const links = [parts[0].subarray(4)];
  for (let page = 0; page < pages; page++) {
    const pixels = Buffer.alloc(size * size * 2);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const inside = (x - size / 2) ** 2 + (y - size * (0.3 + 0.2 * page)) ** 2 < 100;
        pixels.writeUInt16LE(inside ? 40_000 : 3_000 + 50 * ((x * 7 + y * 3) % 20), (y * size + x) * 2);
      }
    }
    const at = put(pixels);
    const entries = [[256, 4, 1, size], [257, 4, 1, size], [258, 3, 1, 16], [259, 3, 1, 1], [262, 3, 1, 1], [270, 2, 27, words], [273, 4, 1, at], [277, 3, 1, 1], [278, 4, 1, size], [279, 4, 1, pixels.length], [315, 2, 27, words]];
    const directory = Buffer.alloc(2 + entries.length * 12 + 4);
    directory.writeUInt16LE(entries.length);
    entries.forEach(([tag, kind, count, value], index) => {
      directory.writeUInt16LE(tag, 2 + index * 12);
      directory.writeUInt16LE(kind, 4 + index * 12);
      directory.writeUInt32LE(count, 6 + index * 12);
      directory.writeUInt32LE(value, 10 + index * 12);
    });
    links.at(-1).writeUInt32LE(put(directory));
    links.push(directory.subarray(-4));
  }
  return { name: 'OKONKWO film.tif', mimeType: 'image/tiff', buffer: Buffer.concat(parts) };
}

/** NIfTI-1, packed: a ball of 30 mm radius and 900 in 100, pixels of 1.5 mm, slices 3 mm apart. Columns go to the
 * right and rows to the front, as programs of research write them. */
export function nifti({ side = 64, slices = 24 } = {}) {
  const head = Buffer.alloc(352);
  head.writeInt32LE(348, 0);
  [3, side, side, slices, 1, 1, 1, 1].forEach((value, at) => head.writeInt16LE(value, 40 + 2 * at));
  head.writeInt16LE(4, 70);
  head.writeInt16LE(16, 72);
  [1, 1.5, 1.5, 3].forEach((value, at) => head.writeFloatLE(value, 76 + 4 * at));
  head.writeFloatLE(400, 108);
  head[123] = 2;
  head.write(NAME, 14, 'latin1');
  head.write(`${NAME} 12 March 1957`, 148, 'latin1');
  head.writeInt16LE(1, 254);
  [[1.5, 0, 0, -48], [0, 1.5, 0, -48], [0, 0, 3, -36]].forEach((row, y) => row.forEach((value, x) => head.writeFloatLE(value, 280 + 16 * y + 4 * x)));
  head.write('n+1\0', 344, 'latin1');
  head[348] = 1;
  // A DICOM header as an extension, as converters leave it.
  const extension = Buffer.alloc(48);
  extension.writeInt32LE(48, 0);
  extension.writeInt32LE(2, 4);
  extension.write(`\x10\0\x10\0PN\x0e\0${NAME}`, 8, 'latin1');
  const voxels = Buffer.alloc(side * side * slices * 2);
  for (let z = 0; z < slices; z++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const inside = ((x - side / 2) * 1.5) ** 2 + ((y - side / 2) * 1.5) ** 2 + ((z - slices / 2) * 3) ** 2 < 900;
        voxels.writeInt16LE((inside ? 900 : 100) + ((x * 5 + y * 11 + z * 3) % 40), ((z * side + y) * side + x) * 2);
      }
    }
  }
  return { name: 'OKONKWO brain.nii.gz', mimeType: 'application/gzip', buffer: gzipSync(Buffer.concat([head, extension, voxels])) };
}
