// DICOM files made on the spot: a CT phantom slice by slice, and a multi-frame ultrasound, both with a patient's name
// and other identifying values in their headers.

export const PHI = {
  name: 'OKONKWO^ADAEZE',
  id: 'MRN-4471-8852',
  birth: '19570312',
  doctor: 'BERGSTROM^ULRIK',
  hospital: 'St. Brannock Infirmary',
  accession: 'ACC77120934',
  comment: 'Called daughter Ngozi on 0803 555 7741',
};

const LONG = new Set(['OB', 'OW', 'UN', 'SQ', 'UT']);

/** One element, explicit VR little endian. */
function element(group, number, vr, value) {
  let bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value), 'latin1');
  if (bytes.length % 2) bytes = Buffer.concat([bytes, Buffer.from(vr === 'UI' ? '\0' : ' ')]);
  const head = Buffer.alloc(LONG.has(vr) ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4, 'latin1');
  if (LONG.has(vr)) head.writeUInt32LE(bytes.length, 8);
  else head.writeUInt16LE(bytes.length, 6);
  return Buffer.concat([head, bytes]);
}

const short = (value) => { const b = Buffer.alloc(2); b.writeUInt16LE(value & 0xffff); return b; };

function file(elements, sopClass, instance, syntax = '1.2.840.10008.1.2.1') {
  const meta = Buffer.concat([
    element(0x0002, 0x0001, 'OB', Buffer.from([0, 1])),
    element(0x0002, 0x0002, 'UI', sopClass),
    element(0x0002, 0x0003, 'UI', instance),
    element(0x0002, 0x0010, 'UI', syntax),
    element(0x0002, 0x0012, 'UI', '1.2.826.0.1.3680043.9.7.1'),
  ]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(0x0002, 0x0000, 'UL', length), meta, ...elements]);
}

const ROOT = '1.2.826.0.1.3680043.9.7.4471';

function patient(sopClass, instance, modality, description) {
  return [
    element(0x0008, 0x0008, 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'),
    element(0x0008, 0x0016, 'UI', sopClass),
    element(0x0008, 0x0018, 'UI', instance),
    element(0x0008, 0x0020, 'DA', '20240118'),
    element(0x0008, 0x0030, 'TM', '101530'),
    element(0x0008, 0x0050, 'SH', PHI.accession),
    element(0x0008, 0x0060, 'CS', modality),
    element(0x0008, 0x0080, 'LO', PHI.hospital),
    element(0x0008, 0x0090, 'PN', PHI.doctor),
    element(0x0008, 0x103e, 'LO', description),
    element(0x0010, 0x0010, 'PN', PHI.name),
    element(0x0010, 0x0020, 'LO', PHI.id),
    element(0x0010, 0x0030, 'DA', PHI.birth),
    element(0x0010, 0x0040, 'CS', 'F'),
    element(0x0010, 0x4000, 'LT', PHI.comment),
  ];
}

/** Air, a body, two lungs, a spine, and a bright nodule of 7 mm radius in the middle slices. Hounsfield units + 1024. */
function phantom(size, slice, slices) {
  const pixels = Buffer.alloc(size * size * 2);
  const middle = size / 2;
  let state = (slice + 1) * 2654435761 >>> 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const u = (x - middle) / middle, v = (y - middle) / middle;
      let value = -1000;
      if ((u / 0.86) ** 2 + (v / 0.62) ** 2 < 1) value = 40;
      if (((Math.abs(u) - 0.42) / 0.3) ** 2 + (v / 0.42) ** 2 < 1) value = -850;
      if ((u / 0.12) ** 2 + ((v - 0.46) / 0.11) ** 2 < 1) value = 420;
      const deep = (slice - slices / 2) * 2;
      if (((x - size * 0.3) * 0.7) ** 2 + ((y - size * 0.45) * 0.7) ** 2 + deep ** 2 < 49) value = 60;
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      pixels.writeUInt16LE(Math.max(0, value + 1024 + ((state >>> 24) % 17) - 8), (y * size + x) * 2);
    }
  }
  return pixels;
}

/** An overlay over the whole image: a bar below its upper edge, from a quarter to three quarters of the width. */
function bar(size) {
  const bits = Buffer.alloc((size * size) / 8);
  for (let y = 10; y < 30; y++) {
    for (let x = size / 4; x < (size * 3) / 4; x++) bits[(y * size + x) >> 3] |= 1 << (x & 7);
  }
  return [
    element(0x6000, 0x0010, 'US', short(size)),
    element(0x6000, 0x0011, 'US', short(size)),
    element(0x6000, 0x0022, 'LO', PHI.name),
    element(0x6000, 0x0040, 'CS', 'G'),
    element(0x6000, 0x0050, 'SS', Buffer.concat([short(1), short(1)])),
    element(0x6000, 0x0100, 'US', short(1)),
    element(0x6000, 0x0102, 'US', short(0)),
    element(0x6000, 0x3000, 'OW', bits),
  ];
}

/** A CT series: `slices` files of `size` × `size`, 2 mm apart, pixels of 0.7 mm. In no order. `drawn`: with an overlay, a bar. */
export function ct({ slices = 140, size = 512, drawn = false } = {}) {
  const sopClass = '1.2.840.10008.5.1.4.1.1.2';
  const files = [];
  for (let slice = 0; slice < slices; slice++) {
    const instance = `${ROOT}.3.${slice + 1}`;
    files.push({
      name: `OKONKWO_${String(slice + 1).padStart(4, '0')}.dcm`,
      mimeType: 'application/dicom',
      buffer: file([
        ...patient(sopClass, instance, 'CT', 'Chest 2.0 lung'),
        element(0x0018, 0x0050, 'DS', '2'),
        element(0x0020, 0x000d, 'UI', `${ROOT}.1`),
        element(0x0020, 0x000e, 'UI', `${ROOT}.2`),
        element(0x0020, 0x0011, 'IS', '2'),
        element(0x0020, 0x0013, 'IS', String(slice + 1)),
        element(0x0020, 0x0032, 'DS', `-179.2\\-179.2\\${-slice * 2}`),
        element(0x0020, 0x0037, 'DS', '1\\0\\0\\0\\1\\0'),
        element(0x0020, 0x0052, 'UI', `${ROOT}.4`),
        element(0x0028, 0x0002, 'US', short(1)),
        element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
        element(0x0028, 0x0010, 'US', short(size)),
        element(0x0028, 0x0011, 'US', short(size)),
        element(0x0028, 0x0030, 'DS', '0.7\\0.7'),
        element(0x0028, 0x0100, 'US', short(16)),
        element(0x0028, 0x0101, 'US', short(12)),
        element(0x0028, 0x0102, 'US', short(11)),
        element(0x0028, 0x0103, 'US', short(0)),
        element(0x0028, 0x1050, 'DS', '-600'),
        element(0x0028, 0x1051, 'DS', '1500'),
        element(0x0028, 0x1052, 'DS', '-1024'),
        element(0x0028, 0x1053, 'DS', '1'),
        ...(drawn ? bar(size) : []),
        element(0x7fe0, 0x0010, 'OW', phantom(size, slice, slices)),
      ], sopClass, instance),
    });
  }
  return files.sort((a, b) => (a.name.split('').reverse().join('') < b.name.split('').reverse().join('') ? -1 : 1));
}

/** A multi-frame ultrasound in grey, 8 bits: a disc that goes round. */
export function ultrasound({ frames = 120, width = 320, height = 240 } = {}) {
  const sopClass = '1.2.840.10008.5.1.4.1.1.3.1';
  const instance = `${ROOT}.7`;
  const pixels = Buffer.alloc(frames * width * height);
  for (let frame = 0; frame < frames; frame++) {
    const angle = (frame / frames) * 2 * Math.PI;
    const [cx, cy] = [width / 2 + 60 * Math.cos(angle), height / 2 + 60 * Math.sin(angle)];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        pixels[(frame * height + y) * width + x] = (x - cx) ** 2 + (y - cy) ** 2 < 400 ? 220 : 30 + ((x * 7 + y * 13 + frame) % 23);
      }
    }
  }
  return {
    name: 'OKONKWO_US.dcm',
    mimeType: 'application/dicom',
    buffer: file([
      ...patient(sopClass, instance, 'US', 'Abdomen'),
      element(0x0018, 0x1063, 'DS', '40'),
      element(0x0020, 0x000d, 'UI', `${ROOT}.1`),
      element(0x0020, 0x000e, 'UI', `${ROOT}.8`),
      element(0x0020, 0x0013, 'IS', '1'),
      element(0x0028, 0x0002, 'US', short(1)),
      element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
      element(0x0028, 0x0008, 'IS', String(frames)),
      element(0x0028, 0x0010, 'US', short(height)),
      element(0x0028, 0x0011, 'US', short(width)),
      element(0x0028, 0x0100, 'US', short(8)),
      element(0x0028, 0x0101, 'US', short(8)),
      element(0x0028, 0x0102, 'US', short(7)),
      element(0x0028, 0x0103, 'US', short(0)),
      element(0x0028, 0x0301, 'CS', 'NO'),
      element(0x7fe0, 0x0010, 'OB', pixels),
    ], sopClass, instance),
  };
}

/** A sequence of one item. */
function sequence(group, number, elements) {
  const content = Buffer.concat(elements);
  const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
  head.writeUInt32LE(content.length, 4);
  return element(group, number, 'SQ', Buffer.concat([head, content]));
}

/**
 * A radiograph of 12 bits, brighter from left to right. It has no window but a table, which makes black of the lower half of the
 * values and white of the upper one; tables of colours that are not for its grey values; and no plane, but the sides to which its
 * rows (left) and columns (feet) go.
 */
export function radiograph({ size = 128 } = {}) {
  const sopClass = '1.2.840.10008.5.1.4.1.1.1';
  const instance = `${ROOT}.10`;
  const numbers = (...all) => Buffer.concat(all.map(short));
  const pixels = Buffer.alloc(size * size * 2);
  for (let at = 0; at < size * size; at++) pixels.writeUInt16LE(Math.round(((at % size) / (size - 1)) * 4095), at * 2);
  const step = Buffer.alloc(4096 * 2);
  step.fill(0xff, 4096);
  return {
    name: 'OKONKWO_CR.dcm',
    mimeType: 'application/dicom',
    buffer: file([
      ...patient(sopClass, instance, 'CR', 'Wrist'),
      element(0x0020, 0x000d, 'UI', `${ROOT}.1`),
      element(0x0020, 0x000e, 'UI', `${ROOT}.11`),
      element(0x0020, 0x0013, 'IS', '1'),
      element(0x0020, 0x0020, 'CS', 'L\\F'),
      element(0x0028, 0x0002, 'US', short(1)),
      element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
      element(0x0028, 0x0010, 'US', short(size)),
      element(0x0028, 0x0011, 'US', short(size)),
      element(0x0028, 0x0100, 'US', short(16)),
      element(0x0028, 0x0101, 'US', short(12)),
      element(0x0028, 0x0102, 'US', short(11)),
      element(0x0028, 0x0103, 'US', short(0)),
      ...[0x1101, 0x1102, 0x1103].map((number) => element(0x0028, number, 'US', numbers(2, 0, 16))),
      ...[0x1201, 0x1202, 0x1203].map((number) => element(0x0028, number, 'OW', numbers(0, 0xffff))),
      sequence(0x0028, 0x3010, [element(0x0028, 0x3002, 'US', numbers(4096, 0, 16)), element(0x0028, 0x3006, 'OW', step)]),
      element(0x7fe0, 0x0010, 'OW', pixels),
    ], sopClass, instance),
  };
}

/** One grey image of 16 bits allocated, compressed already: `stream` in one fragment. */
export function encapsulated({ syntax, columns, rows, bits, signed, stream }) {
  const sopClass = '1.2.840.10008.5.1.4.1.1.7';
  const item = (bytes) => {
    const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
    head.writeUInt32LE(bytes.length, 4);
    return Buffer.concat([head, bytes]);
  };
  const even = stream.length % 2 ? Buffer.concat([stream, Buffer.alloc(1)]) : stream;
  const pixels = element(0x7fe0, 0x0010, 'OB', Buffer.concat([item(Buffer.alloc(0)), item(even)]));
  // Of a length that is told by its end.
  pixels.writeUInt32LE(0xffffffff, 8);
  return file([
    ...patient(sopClass, `${ROOT}.9`, 'OT', 'Transcoded'),
    element(0x0028, 0x0002, 'US', short(1)),
    element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
    element(0x0028, 0x0010, 'US', short(rows)),
    element(0x0028, 0x0011, 'US', short(columns)),
    element(0x0028, 0x0100, 'US', short(16)),
    element(0x0028, 0x0101, 'US', short(bits)),
    element(0x0028, 0x0102, 'US', short(bits - 1)),
    element(0x0028, 0x0103, 'US', short(signed ? 1 : 0)),
    pixels,
    Buffer.from([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]),
  ], sopClass, `${ROOT}.9`, syntax);
}
