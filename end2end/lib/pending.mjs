// Transactions that wait for a block: kept waiting, dropped by the chain, replaced by their wallet.
import assert from 'node:assert/strict';
import { privateKeyToAccount } from 'viem/accounts';
import { rpc } from './people.mjs';

/** Nothing gets into a block while `work` runs. */
export async function withoutBlocks(stack, work) {
  await rpc(stack.rpcUrl, 'evm_setAutomine', [false]);
  try {
    await work();
  } finally {
    await rpc(stack.rpcUrl, 'evm_setAutomine', [true]);
    await rpc(stack.rpcUrl, 'evm_mine', []);
  }
}

export const dropAll = (stack) => rpc(stack.rpcUrl, 'anvil_dropAllTransactions', []);

/** Sends what waits for a block once more at a higher price, as a wallet does to speed it up; the first one's hash. */
export async function replace(stack, key) {
  const account = privateKeyToAccount(key);
  const { pending } = await rpc(stack.rpcUrl, 'txpool_content', []);
  const mine = Object.entries(pending).find(([from]) => from.toLowerCase() === account.address.toLowerCase());
  const [sent] = Object.values(mine[1]);
  const again = await account.signTransaction({
    type: 'eip1559', chainId: Number(sent.chainId ?? 31337), nonce: Number(sent.nonce), to: sent.to, data: sent.input, gas: BigInt(sent.gas),
    maxFeePerGas: BigInt(sent.maxFeePerGas) * 2n, maxPriorityFeePerGas: BigInt(sent.maxPriorityFeePerGas) * 2n + 1n,
  });
  assert.notEqual(await rpc(stack.rpcUrl, 'eth_sendRawTransaction', [again]), sent.hash);
  return sent.hash;
}
