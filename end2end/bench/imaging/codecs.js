// A worker that decodes the first image of a DICOM file again and again, by our decoders and by those of Cornerstone3D,
// one after the other. Both begin with the file parsed and end with the samples in memory.
import dicomParser from 'dicom-parser';
import baseline from 'cornerstone-decoders/decodeJPEGBaseline8Bit.js';
import htj2k from 'cornerstone-decoders/decodeHTJ2K.js';
import jpeg2000 from 'cornerstone-decoders/decodeJPEG2000.js';
import jpegls from 'cornerstone-decoders/decodeJPEGLS.js';
import lossless from 'cornerstone-decoders/decodeJPEGLossless.js';
import rle from 'cornerstone-decoders/decodeRLE.js';
import init, { Desk } from '/ours/decoder.js';

// The codecs take (bytes, facts), the decoders in JavaScript (facts, bytes).
const wasm = (decode) => (bytes, facts) => decode(bytes, facts);
const script = (decode) => (bytes, facts) => decode({ ...facts }, bytes);
const THEIRS = {
  5: script(rle), '4.50': wasm(baseline), '4.57': script(lossless), '4.70': script(lossless),
  '4.80': wasm(jpegls), '4.81': wasm(jpegls), '4.90': wasm(jpeg2000), '4.91': wasm(jpeg2000), '4.201': wasm(htj2k),
};

const desk = init({ module_or_path: '/ours/decoder_bg.wasm' }).then(() => new Desk());

function ours(desk, file, pixel) {
  const ask = (question, parts = []) => JSON.parse(desk.take(JSON.stringify(question), parts, []));
  const added = ask({ ask: 'add', set: 0, names: ['a'], in_order: true }, [file]);
  if (added.refused?.length) throw new Error(added.refused[0].why);
  const from = performance.now();
  const { value, what } = ask({ ask: 'value', at: { set: 0, series: 0, slice: 0 }, pixel, axis: 'slices', slab: 1 });
  const took = performance.now() - from;
  if (what) throw new Error(what);
  ask({ ask: 'close', set: 0 });
  return { took, value };
}

async function theirs(decode, bytes, facts, at) {
  const from = performance.now();
  const { pixelData } = await decode(bytes, facts);
  return { took: performance.now() - from, value: pixelData[at] };
}

self.onmessage = async ({ data: { file, rounds } }) => {
  try {
    const our = await desk;
    const set = dicomParser.parseDicom(new Uint8Array(await file.arrayBuffer()));
    const syntax = set.string('x00020010').slice('1.2.840.10008.1.2.'.length);
    const element = set.elements.x7fe00010;
    const bytes = element.basicOffsetTable.length
      ? dicomParser.readEncapsulatedImageFrame(set, element, 0)
      : dicomParser.readEncapsulatedPixelDataFromFragments(set, element, 0, set.intString('x00280008') > 1 ? 1 : element.fragments.length);
    const signed = set.uint16('x00280103');
    const facts = {
      columns: set.uint16('x00280011'), rows: set.uint16('x00280010'), bitsAllocated: set.uint16('x00280100'),
      samplesPerPixel: set.uint16('x00280002'), pixelRepresentation: signed, signed: signed === 1,
      bytesPerPixel: set.uint16('x00280100') > 8 ? 2 : 1, planarConfiguration: set.uint16('x00280006'),
    };
    const pixel = [facts.columns >> 1, facts.rows >> 1];
    const at = pixel[1] * facts.columns + pixel[0];
    const took = { ours: [], theirs: [] };
    for (let round = 0; round < rounds; round++) {
      const one = ours(our, file, pixel);
      const other = await theirs(THEIRS[syntax], bytes, facts, at);
      if (facts.samplesPerPixel === 1) {
        const value = other.value * (set.floatString('x00281053') ?? 1) + (set.floatString('x00281052') ?? 0);
        if (Math.abs(value - one.value) > (syntax === '4.50' ? 2 : 0)) throw new Error(`Decoded to ${one.value} and to ${value}.`);
      }
      took.ours.push(one.took);
      took.theirs.push(other.took);
    }
    self.postMessage({ syntax, ...facts, took });
  } catch (error) {
    self.postMessage({ fault: String(error?.message ?? error) });
  }
};
