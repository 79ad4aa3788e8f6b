// Pictures made on the spot: valid PNGs of a chosen size, with a planted patient name, and the broken ones.
import { crc32, deflateSync } from 'node:zlib';

export const PATIENT = 'DOE^JANE^19570312';

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body) >>> 0, body.length + 4);
  return out;
}

function header(width, height) {
  const ihdr = Buffer.alloc(13);
  ihdr.writeUInt32BE(width, 0);
  ihdr.writeUInt32BE(height, 4);
  ihdr[8] = 8; // bits a sample
  ihdr[9] = 0; // greyscale
  return ihdr;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** A greyscale PNG: a bright disc on noise, so that it does not compress away. The name sits in a text chunk. */
export function png({ width = 256, height = 256, seed = 1, noise = 40 } = {}) {
  const raw = Buffer.alloc((width + 1) * height);
  let state = seed >>> 0 || 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (Math.min(width, height) / 3) ** 2;
      raw[y * (width + 1) + 1 + x] = Math.min(255, (inside ? 150 : 30) + ((state >>> 24) * noise) / 255);
    }
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header(width, height)),
    chunk('tEXt', Buffer.from(`PatientName\0${PATIENT}`, 'latin1')),
    chunk('IDAT', deflateSync(raw, { level: 1 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A PNG of about so many bytes. */
export function pngOfBytes(bytes, seed = 7) {
  const side = Math.ceil(Math.sqrt(bytes * 1.02));
  return png({ width: side, height: side, seed, noise: 255 });
}

/** A PNG whose header claims 20,000 × 20,000 pixels; a few bytes long. */
export function hugePng() {
  return Buffer.concat([SIGNATURE, chunk('IHDR', header(20000, 20000)), chunk('IDAT', deflateSync(Buffer.alloc(64))), chunk('IEND', Buffer.alloc(0))]);
}

export const file = (name, buffer, mimeType = 'image/png') => ({ name, mimeType, buffer });
