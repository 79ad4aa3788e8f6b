// The first script of the picture workspace: starts its WebAssembly, and knows where the worker's script is.
import init, { Viewer } from './viewer.js';

const here = (name) => new URL(name, import.meta.url).href;
const ready = init({ module_or_path: here('./viewer_bg.wasm') });

export async function open(root, host) {
  await ready;
  return new Viewer(root, host, here('./worker.js'));
}
