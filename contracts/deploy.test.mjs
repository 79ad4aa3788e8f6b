// Deployment against a real chain: what it prints, that it finds its own work again, what it refuses.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { keccak256 } from 'viem';
import { startAnvil } from './tools/anvil.mjs';
import { LOCAL_FACTORY } from './tools/networks.mjs';

const { compile } = createRequire(import.meta.url)('solc');

// The first two of anvil's public test accounts: never used anywhere else.
const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const OTHER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d';

let chain;
before(async () => { chain = await startAnvil({ chainId: 31337 }); });
after(() => chain.stop());

const HERE = fileURLToPath(new URL('.', import.meta.url));

function deploy(settings = {}, home = HERE) {
  const env = { PATH: process.env.PATH, CHAIN_RPC: chain.url, CHAIN_ID: '31337', DEPLOYER_KEY: KEY, ...settings };
  return new Promise((done) => {
    execFile(process.execPath, [path.join(home, 'deploy.mjs')], { env }, (error, stdout, stderr) => {
      done({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

test('deploys once, and finds it again, whoever asks', async () => {
  const first = await deploy();
  assert.equal(first.code, 0, first.stderr);
  const made = JSON.parse(first.stdout);
  const both = ['RoomRegistry', 'ConversationToken'];
  assert.deepEqual(made, { registry: made.registry, token: made.token, chainId: 31337, block: 1, deployed: both });
  for (const address of [made.registry, made.token]) assert.match(address, /^0x[0-9a-fA-F]{40}$/);

  const again = await deploy({ DEPLOYER_KEY: OTHER_KEY });
  assert.deepEqual(JSON.parse(again.stdout), { ...made, deployed: [] });
});

test('gives the same addresses on every chain', async () => {
  const here = JSON.parse((await deploy()).stdout);
  const other = await startAnvil({ chainId: 314159 });
  try {
    const there = await deploy({ CHAIN_RPC: other.url, CHAIN_ID: '314159', CREATE2_FACTORY: LOCAL_FACTORY });
    assert.equal(there.code, 0, there.stderr);
    const { registry, token } = JSON.parse(there.stdout);
    assert.deepEqual([registry, token], [here.registry, here.token]);
  } finally {
    await other.stop();
  }
});

test('a named network leaves a record, and an input that compiles to the deployed code', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'healthsync-record-'));
  try {
    const run = () => deploy({ NETWORK: 'local', RECORD_DIR: folder, CHAIN_ID: '' });
    const made = JSON.parse((await run()).stdout);
    await run();
    const record = JSON.parse(await readFile(path.join(folder, 'local.json')));
    assert.equal(record.chainId, 31337);
    assert.deepEqual(record.contracts.map(({ address }) => address), [made.registry, made.token]);
    for (const { name, address, codeHash, verificationInput } of record.contracts) {
      assert.equal(codeHash, keccak256(await chain.rpc('eth_getCode', [address, 'latest'])));
      const compiled = JSON.parse(compile(await readFile(path.join(folder, verificationInput), 'utf8')));
      const { evm } = compiled.contracts[`src/${name}.sol`][name];
      assert.equal(codeHash, keccak256(`0x${evm.deployedBytecode.object}`));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('leaves its record beside itself, also in a folder with a space in its name', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'My Projects '));
  try {
    for (const part of ['deploy.mjs', 'package.json', 'tools', 'artifacts', 'src']) {
      await cp(path.join(HERE, part), path.join(folder, part), { recursive: true });
    }
    await symlink(path.join(HERE, 'node_modules'), path.join(folder, 'node_modules'));
    const { code, stderr } = await deploy({ NETWORK: 'local', CHAIN_ID: '' }, folder);
    assert.equal(code, 0, stderr);
    const record = JSON.parse(await readFile(path.join(folder, 'deployments/local.json')));
    assert.equal(record.network, 'local');
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('refuses another chain than the one that was meant', async () => {
  const { code, stdout, stderr } = await deploy({ CHAIN_ID: '314159' });
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /has the id 31337, and CHAIN_ID says 314159/);
});

test('refuses a network that is unknown, is another one, or lacks the factory', async () => {
  const unknown = await deploy({ NETWORK: 'mainnet' });
  assert.match(unknown.stderr, /no network "mainnet"; known are local, calibration, filecoin/);
  const other = await deploy({ NETWORK: 'calibration' });
  assert.match(other.stderr, /has the id 31337, and calibration has 314159/);
  const bare = await deploy({ CREATE2_FACTORY: '0x000000000000000000000000000000000000dEaD' });
  assert.match(bare.stderr, /no CREATE2 factory at 0x0+dEaD on chain 31337/);
  for (const { code, stdout } of [unknown, other, bare]) assert.deepEqual([code, stdout], [1, '']);
});

test('refuses an account that cannot pay', async () => {
  const fresh = await startAnvil();
  try {
    const { code, stderr } = await deploy({ CHAIN_RPC: fresh.url, DEPLOYER_KEY: '0x' + '7'.repeat(64) });
    assert.equal(code, 1);
    assert.match(stderr, /has no ETH to pay with/);
  } finally {
    await fresh.stop();
  }
});

test('names a missing setting and repeats no key', async () => {
  const missing = await deploy({ DEPLOYER_KEY: '' });
  assert.match(missing.stderr, /DEPLOYER_KEY is missing/);
  const bad = await deploy({ DEPLOYER_KEY: KEY + 'ff' });
  assert.match(bad.stderr, /DEPLOYER_KEY is not 0x and 64 hex digits/);
  assert.ok(!bad.stderr.includes(KEY.slice(2, 20)));
});
