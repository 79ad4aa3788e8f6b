#!/usr/bin/env node
// Deploys the room registry from its checked-in artifact; no compiler is involved.
//
//   CHAIN_RPC=http://127.0.0.1:8545 CHAIN_ID=31337 DEPLOYER_KEY=0x… node deploy.mjs
//
// Prints one JSON line { registry, chainId, block, deployed } on stdout; `block` is the first one that
// can hold events of the registry. A second run finds what the first one deployed (`deployed: false`):
// an account's n-th contract has an address that follows from account and n, so those addresses are
// looked at before anything is sent. REGISTRY=0x… names one to check instead of that search.
import { readFileSync } from 'node:fs';
import {
  createPublicClient, createWalletClient, defineChain, encodeDeployData, formatEther, getAddress, getContractAddress,
  http,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

// How many of the account's transactions are looked at: use an account of its own for deployments.
const LOOK_AT = 64;

const artifact = JSON.parse(readFileSync(new URL('artifacts/RoomRegistry.json', import.meta.url)));

try {
  console.log(JSON.stringify(await main()));
} catch (error) {
  console.error(`Nothing was deployed. ${error.shortMessage ?? error.message}`);
  process.exit(1);
}

async function main() {
  const rpc = setting('CHAIN_RPC', /^https?:\/\/\S+$/, 'the URL of a JSON-RPC endpoint');
  const expected = Number(setting('CHAIN_ID', /^[1-9]\d*$/, 'a chain id in decimal, 31337 for a local chain'));
  const account = privateKeyToAccount(setting('DEPLOYER_KEY', /^0x[0-9a-fA-F]{64}$/, '0x and 64 hex digits'));

  const probe = createPublicClient({ transport: http(rpc) });
  const chainId = await probe.getChainId();
  if (chainId !== expected) throw new Error(`The chain at CHAIN_RPC has the id ${chainId}, and CHAIN_ID says ${expected}.`);

  const local = chainId === 31337;
  const chain = defineChain({
    id: chainId, name: `chain ${chainId}`, rpcUrls: { default: { http: [rpc] } },
    nativeCurrency: local ? { name: 'Ether', symbol: 'ETH', decimals: 18 } : { name: 'FIL', symbol: 'FIL', decimals: 18 },
  });
  const reader = createPublicClient({ chain, transport: http(rpc), pollingInterval: local ? 100 : 5_000 });

  const known = process.env.REGISTRY ? getAddress(process.env.REGISTRY) : undefined;
  if (known && !(await isRegistry(reader, known))) {
    throw new Error(`The code at REGISTRY ${known} is not this version's registry.`);
  }
  const found = known ?? (await findDeployed(reader, account.address));
  if (found) return { registry: found, chainId, block: await firstBlock(reader, found), deployed: false };

  if ((await reader.getBalance({ address: account.address })) === 0n) {
    throw new Error(`The deployer ${account.address} has no ${chain.nativeCurrency.symbol} to pay with.`);
  }
  const writer = createWalletClient({ account, chain, transport: http(rpc) });
  // A tenth more than estimated: at block 0 storing the first block's number (zero) costs less than it will in block 1.
  // No more than that, because Filecoin burns what a limit is too high by.
  const estimate = await reader.estimateGas({ account, data: encodeDeployData({ abi: artifact.abi, bytecode: artifact.bytecode }) });
  const hash = await writer.deployContract({ abi: artifact.abi, bytecode: artifact.bytecode, gas: (estimate * 11n) / 10n });
  console.error(`sent ${hash}, waiting for its receipt`);
  // On Filecoin a receipt is there one to three epochs of 30 s after the block.
  const receipt = await reader.waitForTransactionReceipt({ hash, timeout: local ? 30_000 : 600_000 });
  if (receipt.status !== 'success') {
    throw new Error(`The transaction ${hash} was reverted; ${formatEther(receipt.gasUsed * receipt.effectiveGasPrice)} were spent.`);
  }
  const registry = getAddress(receipt.contractAddress);
  return { registry, chainId, block: await firstBlock(reader, registry), deployed: true };
}

function setting(name, shape, meaning) {
  const value = process.env[name] ?? '';
  // The value itself is not repeated: it may be a key.
  if (!shape.test(value)) throw new Error(`${name} is ${value ? 'not ' : 'missing: set it to '}${meaning}.`);
  return value;
}

async function isRegistry(reader, address) {
  return (await reader.getCode({ address })) === artifact.deployedBytecode;
}

async function findDeployed(reader, from) {
  const sent = await reader.getTransactionCount({ address: from });
  for (let nonce = 0; nonce < Math.min(sent, LOOK_AT); nonce++) {
    const address = getContractAddress({ from, nonce: BigInt(nonce) });
    if (await isRegistry(reader, address)) return address;
  }
  if (sent > LOOK_AT) {
    throw new Error(`The deployer has sent ${sent} transactions, too many to look for an earlier registry: set REGISTRY to its address, or use a fresh account.`);
  }
  return undefined;
}

async function firstBlock(reader, address) {
  return Number(await reader.readContract({ address, abi: artifact.abi, functionName: 'firstBlock' }));
}
