// artifacts/RoomRegistry.json is what deployment and the Rust side read, so that neither needs a
// compiler. `write` makes it from a fresh build; `check` fails when a fresh build differs from it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CONTRACT = 'RoomRegistry';
const home = new URL('..', import.meta.url).pathname;
const path = join(home, 'artifacts', `${CONTRACT}.json`);
const forge = process.env.FORGE ?? join(home, 'node_modules/.bin/forge');

function build() {
  const out = mkdtempSync(join(tmpdir(), 'healthsync-contracts-'));
  try {
    const args = ['build', 'src', '--quiet', '--force', '--out', out, '--cache-path', join(out, 'cache')];
    execFileSync(forge, args, { cwd: home, stdio: ['ignore', 'inherit', 'inherit'] });
    const made = JSON.parse(readFileSync(join(out, `${CONTRACT}.sol`, `${CONTRACT}.json`)));
    const { compiler, settings } = made.metadata;
    const artifact = {
      contract: CONTRACT,
      solc: compiler.version,
      settings: { evmVersion: settings.evmVersion, optimizer: settings.optimizer, metadata: settings.metadata },
      abi: made.abi,
      bytecode: made.bytecode.object,
      deployedBytecode: made.deployedBytecode.object,
    };
    return JSON.stringify(artifact, null, 2) + '\n';
  } finally {
    rmSync(out, { recursive: true });
  }
}

const fresh = build();
if (process.argv[2] === 'write') {
  writeFileSync(path, fresh);
  console.log(`wrote artifacts/${CONTRACT}.json`);
} else if (readFileSync(path, 'utf8') === fresh) {
  console.log(`artifacts/${CONTRACT}.json is what the sources give`);
} else {
  console.error(`artifacts/${CONTRACT}.json differs from a fresh build: run \`npm run build\` and commit it`);
  process.exit(1);
}
