// `npm test`: the contracts' own tests with the gas of each call, the artifacts' freshness, the deployment. Ends with one line
// `N passed, M failed` that counts all of them, and with status 1 if anything failed.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const home = fileURLToPath(new URL('..', import.meta.url));
let passed = 0;
let failed = 0;

const forge = await run(process.env.FORGE ?? 'node_modules/.bin/forge', ['test', '--gas-snapshot-check', 'true']);
const counts = /(\d+) tests passed, (\d+) failed, \d+ skipped \(/.exec(forge.output);
count('forge', counts?.[1], counts?.[2], forge.code);

const artifact = await run(process.execPath, ['tools/artifact.mjs', 'check']);
count('artifact', artifact.code === 0 ? 1 : 0, artifact.code === 0 ? 0 : 1, artifact.code);

const node = await run(process.execPath, ['--test', '--test-reporter', 'tap', 'deploy.test.mjs']);
count('node', /^# pass (\d+)$/m.exec(node.output)?.[1], /^# fail (\d+)$/m.exec(node.output)?.[1], node.code);

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/** A part that ended badly without saying how many failed counts as one failure. */
function count(part, good, bad, code) {
  passed += Number(good ?? 0);
  failed += Math.max(Number(bad ?? 0), code === 0 && good !== undefined ? 0 : 1);
  if (good === undefined) console.error(`${part} gave no result`);
}

function run(program, args) {
  return new Promise((done) => {
    const child = spawn(program, args, { cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => { output += data; process.stdout.write(data); });
    child.on('error', (error) => { console.error(error.message); done({ output, code: 1 }); });
    child.on('close', (code) => done({ output, code }));
  });
}
