// The first script of the picture workspace: starts its WebAssembly, and makes its workers.
import init, { Study, Viewer } from './viewer.js';

const here = (name) => new URL(name, import.meta.url).href;
const ready = init({ module_or_path: here('./viewer_bg.wasm') });

// A worker that was started before anybody needs it.
let spare;
const start = () => new Worker(here('./worker.js'), { type: 'module' });
const worker = () => {
  const taken = spare ?? start();
  spare = undefined;
  return taken;
};

/** A series is about to be opened: its decoders load and compile meanwhile. Resolves when they can be asked. */
export function prepare() {
  spare ??= start();
  const taken = spare;
  return new Promise((done) => {
    for (const event of ['message', 'error']) taken.addEventListener(event, done, { once: true });
  });
}

export async function open(root, host) {
  await ready;
  return new Viewer(root, host, worker);
}

/** Files for a room: sorted, cleaned and looked at series by series. Each call answers `[json, blobs]`. */
export async function study() {
  await ready;
  const study = new Study(worker);
  const answered = (ask) => new Promise((resolve) => { ask((json, blobs) => resolve([json, blobs])); });
  return {
    sort: (files, names) => answered((done) => study.sort(files, names, done)),
    clean: (series) => answered((done) => study.clean(series, done)),
    review: (series) => answered((done) => study.review(series, done)),
    close: () => study.close(),
  };
}
