// A sale for real: the marketplace of the contract tests, compiled and deployed, and people who list and buy on it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createPublicClient, createWalletClient, defineChain, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const CONTRACTS = new URL('../../contracts/', import.meta.url);
const TOKEN = JSON.parse(readFileSync(new URL('artifacts/ConversationToken.json', CONTRACTS))).abi;

/** Deploys the marketplace beside the stack's token contract, with the money of `key`. */
export async function openMarket(stack, key) {
  const { abi, bytecode } = compiled();
  const chain = defineChain({
    id: stack.chainId, name: 'test', rpcUrls: { default: { http: [stack.rpcUrl] } },
    nativeCurrency: { name: 'Test', symbol: 'TST', decimals: 18 },
  });
  const reader = createPublicClient({ chain, transport: http(stack.rpcUrl), pollingInterval: 100 });
  const as = (key) => createWalletClient({ account: privateKeyToAccount(key), chain, transport: http(stack.rpcUrl) });
  const done = async (hash) => {
    const receipt = await reader.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`${hash} was reverted`);
    return receipt;
  };
  const { contractAddress: address } = await done(await as(key).deployContract({ abi, bytecode, args: [stack.token] }));
  const token = BigInt.asUintN.bind(null, 256);
  return {
    address,
    async list(key, id, price) {
      const seller = as(key);
      await done(await seller.writeContract({ address: stack.token, abi: TOKEN, functionName: 'approve', args: [address, token(BigInt(id))] }));
      await done(await seller.writeContract({ address, abi, functionName: 'list', args: [BigInt(id), price] }));
    },
    async buy(key, id, price) {
      await done(await as(key).writeContract({ address, abi, functionName: 'buy', args: [BigInt(id)], value: price }));
    },
    ownerOf: (id) => reader.readContract({ address: stack.token, abi: TOKEN, functionName: 'ownerOf', args: [BigInt(id)] }),
    royalty: (id, price) => reader.readContract({ address: stack.token, abi: TOKEN, functionName: 'royaltyInfo', args: [BigInt(id), price] }),
    balance: (address) => reader.getBalance({ address }),
  };
}

let made;

function compiled() {
  if (made) return made;
  const solc = createRequire(new URL('package.json', CONTRACTS))('solc');
  const read = (path) => ({ contents: readFileSync(new URL(path.replace('@openzeppelin/', 'node_modules/@openzeppelin/'), CONTRACTS), 'utf8') });
  const input = {
    language: 'Solidity',
    sources: { 'test/Marketplace.sol': { content: read('test/Marketplace.sol').contents } },
    settings: { evmVersion: 'cancun', outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
  };
  const { contracts } = JSON.parse(solc.compile(JSON.stringify(input), { import: read }));
  const { abi, evm } = contracts['test/Marketplace.sol'].Marketplace;
  made = { abi, bytecode: `0x${evm.bytecode.object}` };
  return made;
}
