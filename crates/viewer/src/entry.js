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

// The worker of photographs. It goes when it has had nothing to do for so long, and with it the memory that a large one took.
const IDLE_MS = 20_000;
let photographs;

function startPhotographs() {
  const worker = new Worker(here('./photos.js'), { type: 'module' });
  const waiting = new Map();
  let count = 0;
  let idle;
  const end = () => {
    worker.terminate();
    photographs = undefined;
    for (const done of waiting.values()) done();
  };
  worker.onerror = end;
  worker.onmessage = ({ data: { id, answer, crashed } }) => {
    if (crashed) return end();
    waiting.get(id)(answer);
    waiting.delete(id);
    if (!waiting.size) idle = setTimeout(end, IDLE_MS);
  };
  return (question) => new Promise((done) => {
    clearTimeout(idle);
    waiting.set(++count, done);
    worker.postMessage({ id: count, ...question });
  });
}

const photograph = (question) => {
  photographs ??= startPhotographs();
  return photographs(question);
};

/** Frees a photograph of metadata. Answers `[json, blob]`, or nothing when the worker stopped. */
export const clean = (file) => photograph({ file });

/** A copy of a photograph whose longer side has at most so many pixels, as a `data:` address; nothing when none can be made. */
export const small = (file, side) => photograph({ file, side });

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
    review: (series, began) => answered((done) => study.review(series, began, done)),
    close: () => study.close(),
  };
}
