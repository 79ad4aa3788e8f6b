// Deployment against a real chain: what it prints, that it finds its own work again, what it refuses.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { startAnvil } from './tools/anvil.mjs';

// The first two of anvil's public test accounts: never used anywhere else.
const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const OTHER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d';

let chain;
before(async () => { chain = await startAnvil({ chainId: 31337 }); });
after(() => chain.stop());

function deploy(settings = {}) {
  const env = { PATH: process.env.PATH, CHAIN_RPC: chain.url, CHAIN_ID: '31337', DEPLOYER_KEY: KEY, ...settings };
  return new Promise((done) => {
    execFile(process.execPath, [new URL('deploy.mjs', import.meta.url).pathname], { env }, (error, stdout, stderr) => {
      done({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

test('deploys once, and finds it again', async () => {
  const first = await deploy();
  assert.equal(first.code, 0, first.stderr);
  const made = JSON.parse(first.stdout);
  assert.deepEqual(made, { registry: made.registry, chainId: 31337, block: 1, deployed: true });
  assert.match(made.registry, /^0x[0-9a-fA-F]{40}$/);

  // Transactions after the deployment do not hide it.
  await chain.rpc('evm_mine');
  const again = await deploy();
  assert.deepEqual(JSON.parse(again.stdout), { ...made, deployed: false });
  const named = await deploy({ DEPLOYER_KEY: OTHER_KEY, REGISTRY: made.registry });
  assert.deepEqual(JSON.parse(named.stdout), { ...made, deployed: false });
});

test('refuses another chain than the one that was meant', async () => {
  const { code, stdout, stderr } = await deploy({ CHAIN_ID: '314159' });
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /has the id 31337, and CHAIN_ID says 314159/);
});

test('refuses an address that holds something else', async () => {
  const { code, stderr } = await deploy({ REGISTRY: '0x000000000000000000000000000000000000dEaD' });
  assert.equal(code, 1);
  assert.match(stderr, /is not this version's registry/);
});

test('refuses an account that cannot pay', async () => {
  const { code, stderr } = await deploy({ DEPLOYER_KEY: '0x' + '7'.repeat(64) });
  assert.equal(code, 1);
  assert.match(stderr, /has no ETH to pay with/);
});

test('names a missing setting and repeats no key', async () => {
  const missing = await deploy({ DEPLOYER_KEY: '' });
  assert.match(missing.stderr, /DEPLOYER_KEY is missing/);
  const bad = await deploy({ DEPLOYER_KEY: KEY + 'ff' });
  assert.match(bad.stderr, /DEPLOYER_KEY is not 0x and 64 hex digits/);
  assert.ok(!bad.stderr.includes(KEY.slice(2, 20)));
});
