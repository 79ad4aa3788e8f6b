// The room registry as a program uses it: rooms made, members added and removed, by accounts that hold a key.
import { createPublicClient, createWalletClient, http, parseAbi } from 'viem';
import { foundry } from 'viem/chains';
import { randomBytes } from 'node:crypto';
import { rpc } from '../stack.mjs';

const ABI = parseAbi([
  'function createRoom(bytes32 salt, address[] members) returns (bytes32)',
  'function removeMembers(bytes32 room, address[] people)',
  'function addMembers(bytes32 room, address[] people)',
  'event RoomCreated(bytes32 indexed room, address indexed owner)',
]);

export class Registry {
  #stack; #transport; #reader;

  constructor(stack) {
    this.#stack = stack;
    this.#transport = http(stack.rpcUrl);
    this.#reader = createPublicClient({ chain: foundry, transport: this.#transport, pollingInterval: 50 });
  }

  fund(account) {
    return rpc(this.#stack.rpcUrl, 'anvil_setBalance', [account.address, '0x8ac7230489e80000']);
  }

  /** A new room of this account's; gives its id. */
  async create(account, members) {
    const receipt = await this.#send(account, 'createRoom', [`0x${randomBytes(32).toString('hex')}`, members]);
    return receipt.logs[0].topics[1];
  }

  add(account, room, person) { return this.addAll(account, room, [person]); }

  /** At most 200 at once. */
  addAll(account, room, people) { return this.#send(account, 'addMembers', [room, people]); }

  remove(account, room, person) { return this.#send(account, 'removeMembers', [room, [person]]); }

  async #send(account, functionName, args) {
    const writer = createWalletClient({ account, chain: foundry, transport: this.#transport });
    const hash = await writer.writeContract({ address: this.#stack.registry, abi: ABI, functionName, args });
    const receipt = await this.#reader.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`${functionName} was reverted`);
    return receipt;
  }
}
