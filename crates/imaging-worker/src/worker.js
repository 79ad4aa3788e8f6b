// The imaging worker's first script: starts the WebAssembly beside it and hands it one message after the other.
import init, { Desk } from './decoder.js';

const ready = init({ module_or_path: new URL('./decoder_bg.wasm', import.meta.url) }).then(() => {
  self.postMessage({ ready: true });
  return new Desk();
});

self.onmessage = async ({ data: { id, ask, parts } }) => {
  try {
    const desk = await ready;
    const buffers = [];
    const answer = desk.take(ask, parts ?? [], buffers);
    self.postMessage({ id, answer, buffers }, buffers);
  } catch (error) {
    // After a trap the instance cannot be trusted: the page starts a new worker.
    self.postMessage({ id, crashed: String(error) });
  }
};
