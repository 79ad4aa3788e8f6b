// The programs beside us, installed as their lock file says, bundled, and served with their workers and codecs.
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(folder, 'node_modules');
const LOADER = path.join(modules, '@cornerstonejs/dicom-image-loader/dist/esm');
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

const SCRIPTS = {
  'dwv.js': "import * as dwv from 'dwv'; window.dwv = dwv;",
  'cornerstone.js': `import * as core from '@cornerstonejs/core'; import * as loader from '@cornerstonejs/dicom-image-loader';
    window.cornerstone = { core, loader };`,
  'decodeImageFrameWorker.js': `import '${LOADER}/decodeImageFrameWorker.js';`,
  'codecs.js': await readFile(path.join(folder, 'codecs.js'), 'utf8'),
};

/** Why they cannot be had, or nothing. */
export function install() {
  try {
    execFileSync('npm', ['ci', '--silent', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: folder, stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `The viewers beside ours could not be installed (${String(error.stderr || error).trim().split('\n')[0]}).`;
  }
}

export const version = async (name) => JSON.parse(await readFile(path.join(modules, name, 'package.json'), 'utf8')).version;

/** A codec's file by the name that its package exports: Cornerstone asks for `codec-charls/decodewasm`. */
async function exported(name) {
  const [scope, one, entry] = name.split('/').slice(1);
  const home = path.join(modules, scope, one);
  const { exports } = JSON.parse(await readFile(path.join(home, 'package.json'), 'utf8'));
  return path.join(home, exports[`./${entry}`]);
}

/** Serves their pages, and `ours`, the folder of our imaging modules, at `/ours/`. */
export async function serve(ours) {
  const { build } = await import('esbuild');
  const bundled = {};
  for (const [name, contents] of Object.entries(SCRIPTS)) {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folder }, bundle: true, write: false, format: 'esm', platform: 'browser', logLevel: 'silent',
      alias: { 'cornerstone-decoders': path.join(LOADER, 'shared/decoders'), url: path.join(folder, 'url.js') },
      // Emscripten's glue asks for these where there is no browser.
      external: ['fs', 'path', 'crypto', 'module', 'node:*', '/ours/*'],
    });
    bundled[`/${name}`] = outputFiles[0].text;
  }
  const server = createServer(async (request, response) => {
    const name = new URL(request.url, 'http://x').pathname;
    try {
      if (name === '/') {
        response.setHeader('content-type', 'text/html');
        return response.end('<!doctype html><title>bench</title><body></body>');
      }
      response.setHeader('content-type', TYPES[path.extname(name)] ?? 'application/wasm');
      if (bundled[name]) return response.end(bundled[name]);
      const inside = path.normalize(name);
      const file = inside.startsWith('/ours/') ? path.join(ours, inside.slice(6))
        : inside.startsWith('/@') ? await exported(inside)
          : path.join(modules, 'dwv/dist', inside.replace(/^\/(dist\/)?/, ''));
      return response.end(await readFile(file));
    } catch {
      response.statusCode = 404;
      return response.end();
    }
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}
