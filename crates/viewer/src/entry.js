// The first script of the picture workspace: starts its WebAssembly, and knows where the worker's script is.
import init, { Study, Viewer } from './viewer.js';

const here = (name) => new URL(name, import.meta.url).href;
const ready = init({ module_or_path: here('./viewer_bg.wasm') });

export async function open(root, host) {
  await ready;
  return new Viewer(root, host, here('./worker.js'));
}

/** Files for a room: sorted, then cleaned series by series. Each call answers `[json, blobs]`. */
export async function study() {
  await ready;
  const study = new Study(here('./worker.js'));
  const answered = (start) => new Promise((resolve) => { start((json, blobs) => resolve([json, blobs])); });
  return {
    sort: (files, names) => answered((done) => study.sort(files, names, done)),
    clean: (series, masks, reviewed) => answered((done) => study.clean(series, masks, reviewed, done)),
    close: () => study.close(),
  };
}
