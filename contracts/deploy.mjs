#!/usr/bin/env node
// Deploys the contracts from their checked-in artifacts; no compiler is involved.
//
//   NETWORK=calibration DEPLOYER_KEY=0x… node deploy.mjs        (or: cargo xtask deploy --network calibration)
//   CHAIN_RPC=http://127.0.0.1:8545 CHAIN_ID=31337 DEPLOYER_KEY=0x… node deploy.mjs
//
// Prints one JSON line { registry, token, chainId, block, deployed } on stdout; `block` is the first one that can
// hold events, `deployed` lists what this run has added. Addresses follow from the code (CREATE2), so a second run,
// by whomever, finds what the first one deployed. With NETWORK a record and the explorer's verification input are
// written to deployments/ (RECORD_DIR names another folder); CHAIN_RPC and CREATE2_FACTORY override the network's.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  concat, createPublicClient, createWalletClient, defineChain, formatEther, getAddress, getContractAddress, http,
  keccak256, toHex,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { NETWORKS } from './tools/networks.mjs';
import { verificationInput } from './tools/verification.mjs';

const SALT = keccak256(toHex('healthsync/1'));
const artifact = (name) => JSON.parse(readFileSync(new URL(`artifacts/${name}.json`, import.meta.url)));

try {
  console.log(JSON.stringify(await main()));
} catch (error) {
  console.error(`Deployment has stopped. ${error.shortMessage ?? error.message}`);
  process.exit(1);
}

async function main() {
  const name = process.env.NETWORK;
  if (name && !Object.hasOwn(NETWORKS, name)) {
    throw new Error(`There is no network ${JSON.stringify(name)}; known are ${Object.keys(NETWORKS).join(', ')}.`);
  }
  const expected = name ? NETWORKS[name].chainId : Number(setting('CHAIN_ID', /^[1-9]\d*$/, 'a chain id in decimal, 31337 for a local chain'));
  const network = Object.values(NETWORKS).find((known) => known.chainId === expected);
  const rpc = name && !process.env.CHAIN_RPC ? network.rpc : setting('CHAIN_RPC', /^https?:\/\/\S+$/, 'the URL of a JSON-RPC endpoint');
  const account = privateKeyToAccount(setting('DEPLOYER_KEY', /^0x[0-9a-fA-F]{64}$/, '0x and 64 hex digits'));
  const factory = process.env.CREATE2_FACTORY || network?.factory;
  if (!factory) throw new Error(`No CREATE2 factory is known for chain ${expected}: set CREATE2_FACTORY.`);

  const chainId = await createPublicClient({ transport: http(rpc) }).getChainId();
  if (chainId !== expected) {
    const wanted = name ? `${name} has ${expected}` : `CHAIN_ID says ${expected}`;
    throw new Error(`The chain at ${name && !process.env.CHAIN_RPC ? rpc : 'CHAIN_RPC'} has the id ${chainId}, and ${wanted}.`);
  }
  const currency = network?.currency ?? NETWORKS.filecoin.currency;
  const chain = defineChain({ id: chainId, name: `chain ${chainId}`, rpcUrls: { default: { http: [rpc] } }, nativeCurrency: currency });
  const local = chainId === NETWORKS.local.chainId;
  const reader = createPublicClient({ chain, transport: http(rpc), pollingInterval: local ? 100 : 5_000 });
  if (!(await reader.getCode({ address: factory }))) {
    throw new Error(`There is no CREATE2 factory at ${factory} on chain ${chainId}: set CREATE2_FACTORY to one that is there.`);
  }
  const deployer = { reader, writer: createWalletClient({ account, chain, transport: http(rpc) }), account, factory, local, currency };

  const made = [];
  for (const contract of ['RoomRegistry', 'ConversationToken']) made.push(await deploy(deployer, artifact(contract)));
  const [registry, token] = made;
  if (name) record(name, chainId, factory, account.address, made);
  return {
    registry: registry.address,
    token: token.address,
    chainId,
    block: Math.min(registry.block, token.block),
    deployed: made.filter((contract) => contract.transaction).map((contract) => contract.name),
  };
}

function setting(name, shape, meaning) {
  const value = process.env[name] ?? '';
  // The value itself is not repeated: it may be a key.
  if (!shape.test(value)) throw new Error(`${name} is ${value ? 'not ' : 'missing: set it to '}${meaning}.`);
  return value;
}

/** Puts the contract at its address, if it is not there yet. */
async function deploy({ reader, writer, account, factory, local, currency }, contract) {
  const { contract: name, abi, bytecode, deployedBytecode } = contract;
  const address = getContractAddress({ opcode: 'CREATE2', from: factory, salt: SALT, bytecode });
  let transaction = null;
  if (!(await reader.getCode({ address }))) {
    if ((await reader.getBalance({ address: account.address })) === 0n) {
      throw new Error(`The deployer ${account.address} has no ${currency.symbol} to pay with.`);
    }
    const call = { account, to: factory, data: concat([SALT, bytecode]) };
    // A tenth more than estimated: at block 0 storing the first block's number (zero) costs less than it will in
    // block 1. No more than that, because Filecoin burns what a limit is too high by.
    const gas = ((await reader.estimateGas(call)) * 11n) / 10n;
    transaction = await writer.sendTransaction({ ...call, gas });
    console.error(`${name}: sent ${transaction}, waiting for its receipt`);
    // On Filecoin a receipt is there one to three epochs of 30 s after the block.
    const receipt = await reader.waitForTransactionReceipt({ hash: transaction, timeout: local ? 30_000 : 600_000 });
    if (receipt.status !== 'success') {
      throw new Error(`The transaction ${transaction} was reverted; ${formatEther(receipt.gasUsed * receipt.effectiveGasPrice)} were spent.`);
    }
  }
  if ((await reader.getCode({ address })) !== deployedBytecode) {
    throw new Error(`The code at ${address} is not this version's ${name}.`);
  }
  const block = Number(await reader.readContract({ address, abi, functionName: 'firstBlock' }));
  return { name, artifact: contract, address: getAddress(address), block, transaction };
}

function record(network, chainId, factory, deployer, made) {
  const folder = process.env.RECORD_DIR || fileURLToPath(new URL('deployments', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${network}.json`);
  const before = readRecord(file);
  const contracts = made.map(({ name, artifact, address, block, transaction }) => {
    const input = `${network}.${name}.input.json`;
    writeFileSync(path.join(folder, input), JSON.stringify(verificationInput(artifact)) + '\n');
    const known = before?.contracts.find((old) => old.address === address);
    return {
      name, address, block,
      transaction: transaction ?? known?.transaction ?? null,
      deployer: transaction ? deployer : known?.deployer ?? null,
      codeHash: keccak256(artifact.deployedBytecode),
      solc: artifact.solc,
      verificationInput: input,
    };
  });
  writeFileSync(file, JSON.stringify({ network, chainId, factory, salt: SALT, contracts }, null, 2) + '\n');
}

function readRecord(file) {
  try {
    return JSON.parse(readFileSync(file));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
