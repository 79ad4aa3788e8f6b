// The worker of photographs, for what would hold up the page: it frees them of metadata, by the picture workspace's
// WebAssembly, and makes small copies of them.
import init, { clean_photo } from './viewer.js';

let ready;

async function clean(file) {
  ready ??= init({ module_or_path: new URL('./viewer_bg.wasm', import.meta.url) });
  await ready;
  return clean_photo(file);
}

async function small(file, side) {
  const whole = await createImageBitmap(file);
  const scale = Math.min(1, side / Math.max(whole.width, whole.height));
  const canvas = new OffscreenCanvas(Math.max(1, whole.width * scale), Math.max(1, whole.height * scale));
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'medium';
  context.drawImage(whole, 0, 0, canvas.width, canvas.height);
  whole.close();
  return new FileReaderSync().readAsDataURL(await canvas.convertToBlob({ type: 'image/jpeg' }));
}

async function work({ id, file, side }) {
  try {
    // What no copy can be made of is no fault.
    const answer = await (side ? small(file, side).catch(() => undefined) : clean(file));
    self.postMessage({ id, answer });
  } catch (error) {
    // After a trap the instance cannot be trusted: the page starts a new worker.
    self.postMessage({ id, crashed: String(error) });
  }
}

// One after the other: a decoded photograph takes many times its file's memory.
let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => work(data));
};
