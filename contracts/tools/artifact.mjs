// artifacts/*.json are what deployment and the Rust side read, so that neither needs a compiler. `write` makes
// them from a fresh build; `check` fails when a fresh build differs from them.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CONTRACTS = ['RoomRegistry', 'ConversationToken', 'RoyaltySplitter'];
const home = fileURLToPath(new URL('..', import.meta.url));
const forge = process.env.FORGE ?? join(home, 'node_modules/.bin/forge');

const out = mkdtempSync(join(tmpdir(), 'healthsync-contracts-'));
let stale = false;
try {
  const args = ['build', 'src', '--quiet', '--force', '--out', out, '--cache-path', join(out, 'cache')];
  execFileSync(forge, args, { cwd: home, stdio: ['ignore', 'inherit', 'inherit'] });
  for (const contract of CONTRACTS) {
    const path = join(home, 'artifacts', `${contract}.json`);
    const fresh = artifact(contract);
    if (process.argv[2] === 'write') {
      writeFileSync(path, fresh);
      console.log(`wrote artifacts/${contract}.json`);
    } else if (read(path) === fresh) {
      console.log(`artifacts/${contract}.json is what the sources give`);
    } else {
      console.error(`artifacts/${contract}.json differs from a fresh build: run \`npm run build\` and commit it`);
      stale = true;
    }
  }
} finally {
  rmSync(out, { recursive: true });
}
process.exit(stale ? 1 : 0);

function artifact(contract) {
  const made = JSON.parse(readFileSync(join(out, `${contract}.sol`, `${contract}.json`)));
  const { compiler, settings, sources } = made.metadata;
  const content = {
    contract,
    solc: compiler.version,
    settings: {
      evmVersion: settings.evmVersion,
      optimizer: settings.optimizer,
      metadata: settings.metadata,
      remappings: settings.remappings,
    },
    sources: Object.keys(sources).sort(),
    abi: made.abi,
    bytecode: made.bytecode.object,
    deployedBytecode: made.deployedBytecode.object,
  };
  return JSON.stringify(content, null, 2) + '\n';
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
