// Conditions, asked of a real chain by the nodes and written by Lighthouse's own client: tokens that change hands, blocks
// that come, and chains that cannot be believed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { cidOf, jwt, kavach, pointAt, withoutRests } from '../lighthouse/client.mjs';
import { rpc, startStack } from '../stack.mjs';

// A contract of ten bytes: whatever is called, it returns what lies in the storage slot that the first argument names. So
// `ownerOf(7)` is slot 7, `balanceOf(a)` is slot a, and a transfer is a write into the slot.
const SLOTS = '0x600435545f5260205ff3';
const CONTRACT = '0x00000000000000000000000000000000c0ffee00';
const word = (value) => `0x${BigInt(value).toString(16).padStart(64, '0')}`;

describe('conditions on a chain', { timeout: 240_000 }, () => {
  let stack, restAgain, ada, ben, token, liar, silent;
  const servers = [];

  /** A JSON-RPC server that is not what it should be. */
  const standIn = async (answer) => {
    const server = createServer(async (request, response) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      answer(JSON.parse(Buffer.concat(chunks)), response);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
    return `http://127.0.0.1:${server.address().port}`;
  };

  const slot = (key, value) => rpc(stack.rpcUrl, 'anvil_setStorageAt', [CONTRACT, word(key), word(value)]);

  /** Saves a key of ada's under conditions; gives its content id. */
  const locked = async (conditions, aggregator = '([1])') => {
    const cid = await cidOf([randomBytes(32)]);
    const { keyShards } = await kavach.generate();
    const saved = await kavach.accessControl(ada.address, cid, token.ada, conditions, aggregator, 'EVM', keyShards);
    assert.equal(saved.isSuccess, true, JSON.stringify(saved));
    return cid;
  };
  const opens = async (cid, who = 'ben', dynamicData = {}) => {
    const { shards, error } = await kavach.recoverShards({ ada, ben }[who].address, cid, token[who], 3, dynamicData);
    if (error) assert.match(JSON.stringify(error), /Access Denied/);
    return shards.length === 3;
  };
  const read = (id, method, parameters, comparator, value, type = 'ERC721', more = {}) => ({
    id, chain: 'Local chain', standardContractType: type, contractAddress: CONTRACT, method, parameters, returnValueTest: { comparator, value }, ...more,
  });
  const native = (id, method, comparator, value, chain = 'Local chain') => ({ id, chain, standardContractType: '', method, returnValueTest: { comparator, value } });

  before(async () => {
    liar = await standIn((call, response) => {
      // It would say yes to everything, and is of another chain than the settings say.
      response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, result: call.method === 'eth_chainId' ? '0x1' : word(1) }));
    });
    silent = await standIn(() => {});
    const second = await standIn((call, response) => {
      response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, result: call.method === 'eth_chainId' ? '0x7' : '0x64' }));
    });
    stack = await startStack({ env: { HEALTHSYNC_CONDITION_CHAINS: `Liar=5@${liar},Silent=6@${silent},Second=7@${second}` } });
    pointAt(stack.url);
    restAgain = withoutRests();
    [ada, ben] = [generatePrivateKey(), generatePrivateKey()].map((key) => privateKeyToAccount(key));
    token = { ada: (await jwt(ada)).token, ben: (await jwt(ben)).token };
    await rpc(stack.rpcUrl, 'anvil_setCode', [CONTRACT, SLOTS]);
  });
  after(async () => {
    restAgain?.();
    for (const server of servers) { server.closeAllConnections(); server.close(); }
    await stack?.stop();
  });

  it("lets a token's owner in, and no longer the seller once it is sold", async () => {
    await slot(7, ben.address);
    const cid = await locked([read(1, 'ownerOf', ['7'], '==', ':userAddress')]);
    assert.equal(await opens(cid), true);
    await slot(7, '0x0000000000000000000000000000000000001234');
    assert.equal(await opens(cid), false);
    assert.equal(await opens(cid, 'ada'), true, 'the owner of the file needs no token');
  });

  it('counts what somebody holds, by each standard', async () => {
    await slot(ben.address, 5);
    assert.equal(await opens(await locked([read(1, 'balanceOf', [':userAddress'], '>=', '5', 'ERC20')])), true);
    assert.equal(await opens(await locked([read(1, 'balanceOf', [':userAddress'], '>', '5')])), false);
    assert.equal(await opens(await locked([read(1, 'balanceOf', [':userAddress', '3'], '==', '5', 'ERC1155')])), true);
    const custom = { inputArrayType: ['address'], outputType: 'uint8' };
    assert.equal(await opens(await locked([read(1, 'level', [':userAddress'], '==', '5', 'Custom', custom)])), true);
    await rpc(stack.rpcUrl, 'anvil_setBalance', [ben.address, '0x64']);
    assert.equal(await opens(await locked([native(1, 'getBalance', '>=', '100')])), true);
    assert.equal(await opens(await locked([native(1, 'getBalance', '>', '100')])), false);
  });

  it('takes a value from the reader where the condition names one', async () => {
    await slot(99, 1);
    const cid = await locked([read(1, 'redeem', [':ticket'], '==', 'true', 'Custom', { inputArrayType: ['uint256'], outputType: 'bool' })]);
    assert.equal(await opens(cid, 'ben', { '1.ticket': '99' }), true);
    assert.equal(await opens(cid, 'ben', { '1.ticket': '98' }), false);
    assert.equal(await opens(cid, 'ben'), false);
  });

  it('opens when the block has come, and not before', async () => {
    const now = Number(await rpc(stack.rpcUrl, 'eth_blockNumber'));
    const cid = await locked([native(1, 'getBlockNumber', '>=', String(now + 3))]);
    assert.equal(await opens(cid), false);
    await rpc(stack.rpcUrl, 'anvil_mine', ['0x3']);
    assert.equal(await opens(cid), true);
  });

  it('combines them as the aggregator says, across chains', async () => {
    await slot(7, ben.address);
    const [owns, not, second] = [read(1, 'ownerOf', ['7'], '==', ':userAddress'), read(2, 'ownerOf', ['8'], '==', ':userAddress'), native(3, 'getBlockNumber', '==', '100', 'second')];
    for (const [aggregator, opened] of [['([1] and [2])', false], ['([1] or [2])', true], ['[1] and ([2] or [3])', true], ['!([1]) or [2]', false], ['[1] and !([2]) and [3]', true]]) {
      assert.equal(await opens(await locked([owns, not, second], aggregator)), opened, aggregator);
    }
  });

  it('believes no chain that says another id, that is silent or that nobody knows', async () => {
    for (const chain of ['Liar', 'Silent', 'Nowhere']) {
      assert.equal(await opens(await locked([native(1, 'getBlockNumber', '>=', '0', chain)])), false, chain);
      assert.equal(await opens(await locked([native(1, 'getBlockNumber', '<', '0', chain)])), false, chain);
    }
    // What another condition settles does not need it.
    const settled = [native(1, 'getBlockNumber', '>=', '0', 'Liar'), native(2, 'getBlockNumber', '>=', '0')];
    assert.equal(await opens(await locked(settled, '([1] or [2])')), true);
    assert.equal(await opens(await locked(settled, '(!([1]) and [2])')), false);
  });

  it('lets nobody in by a contract that is not there or answers something else', async () => {
    const nowhere = { contractAddress: '0x00000000000000000000000000000000dead0000' };
    assert.equal(await opens(await locked([read(1, 'ownerOf', ['7'], '!=', ':userAddress', 'ERC721', nowhere)])), false);
    await slot(11, 2);
    const bool = { inputArrayType: ['uint256'], outputType: 'bool' };
    assert.equal(await opens(await locked([read(1, 'flag', ['11'], '!=', 'false', 'Custom', bool)])), false, 'two is no boolean');
  });
});
