// The wallet behind the page: MetaMask's request pipeline, with accounts, chains and keys of our own. It
// knows sites by their origin and asks for approval where MetaMask opens a window.
import { signTypedData, personalSign } from '@metamask/eth-sig-util';
import { createWalletMiddleware } from '@metamask/eth-json-rpc-middleware';
import { createAsyncMiddleware, createScaffoldMiddleware, JsonRpcEngine } from '@metamask/json-rpc-engine';
import { JsonRpcError, providerErrors, rpcErrors } from '@metamask/rpc-errors';
import { createPublicClient, createWalletClient, defineChain, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const hex = (number) => `0x${Number(number).toString(16)}`;

export class Engine {
  /** Methods that pages called, in order. */
  log = [];
  #account;
  #key;
  #chains = new Map();
  #chainId;
  #connected = new Set();
  #locked = false;
  #held = Promise.resolve();
  #engine = new JsonRpcEngine();
  #approvals;
  #switchOnAdd;
  #notify;
  #sending = Promise.resolve();

  /** `notify(origin, method, params)` tells pages; without an origin, all of them. */
  constructor({ privateKey, rpcUrl, chainId, approvals, switchOnAdd, notify }) {
    this.#use(privateKey);
    this.#chainId = hex(chainId);
    this.#chains.set(this.#chainId, rpcUrl);
    this.#approvals = approvals;
    this.#switchOnAdd = switchOnAdd;
    this.#notify = notify;
    this.#pipeline();
  }

  get address() {
    return this.#account.address;
  }

  get chainId() {
    return Number(this.#chainId);
  }

  /** A whole JSON-RPC answer, also for errors. `asker` stands for the document that asks. */
  async handle(request, origin, asker) {
    if (!request.method?.startsWith('metamask_')) this.log.push(request.method);
    await this.#held;
    return this.#engine.handle({ ...request, origin, asker });
  }

  setAccount(privateKey) {
    this.#use(privateKey);
    for (const origin of this.#connected) this.#notify(origin, 'metamask_accountsChanged', this.#accounts(origin));
  }

  setChain(chainId) {
    if (!this.#chains.has(hex(chainId))) throw new Error(`The wallet does not know the chain ${chainId}`);
    this.#switch(hex(chainId));
  }

  /** A locked wallet shows nobody its accounts. */
  lock(locked) {
    this.#locked = locked;
    for (const origin of this.#connected) this.#notify(origin, 'metamask_accountsChanged', this.#accounts(origin));
  }

  /** Answers nothing until the function that this gives is called. */
  hold() {
    let go;
    this.#held = new Promise((told) => { go = told; });
    return go;
  }

  disconnect() {
    for (const origin of [...this.#connected]) this.#revoke(origin);
  }

  #use(privateKey) {
    this.#account = privateKeyToAccount(privateKey);
    this.#key = Buffer.from(privateKey.slice(2), 'hex');
  }

  /** MetaMask gives lower case. */
  #accounts(origin) {
    return this.#connected.has(origin) && !this.#locked ? [this.#account.address.toLowerCase()] : [];
  }

  #revoke(origin) {
    if (this.#connected.delete(origin)) this.#notify(origin, 'metamask_accountsChanged', []);
  }

  #chain() {
    return { chainId: this.#chainId, networkVersion: String(this.chainId), isConnected: true };
  }

  #switch(chainId) {
    if (chainId === this.#chainId) return;
    this.#chainId = chainId;
    this.#notify(undefined, 'metamask_chainChanged', this.#chain());
  }

  #pipeline() {
    const answer = (make) => createAsyncMiddleware(async (request, response) => { response.result = await make(request); });
    const connect = async (request) => {
      if (!this.#connected.has(request.origin)) {
        await this.#approvals.ask(request);
        this.#connected.add(request.origin);
        this.#notify(request.origin, 'metamask_accountsChanged', this.#accounts(request.origin));
      }
      return this.#accounts(request.origin);
    };
    const permissions = (origin) => this.#connected.has(origin)
      ? [{ parentCapability: 'eth_accounts', invoker: origin, caveats: [{ type: 'restrictReturnedAccounts', value: this.#accounts(origin) }] }]
      : [];
    this.#engine.push(createScaffoldMiddleware({
      metamask_getProviderState: answer(({ origin }) => ({ ...this.#chain(), isUnlocked: !this.#locked, accounts: this.#accounts(origin) })),
      eth_requestAccounts: answer(connect),
      wallet_requestPermissions: answer(async (request) => {
        await connect({ ...request, method: 'eth_requestAccounts' });
        return permissions(request.origin);
      }),
      wallet_getPermissions: answer(({ origin }) => permissions(origin)),
      wallet_revokePermissions: answer(({ origin }) => { this.#revoke(origin); return null; }),
      eth_chainId: answer(() => this.#chainId),
      net_version: answer(() => String(this.chainId)),
      wallet_switchEthereumChain: answer((request) => this.#switchChain(request)),
      wallet_addEthereumChain: answer((request) => this.#addChain(request)),
    }));
    // Its hooks run after the parameters are checked and before anything is signed, where MetaMask asks.
    this.#engine.push(createWalletMiddleware({
      getAccounts: async ({ origin }) => this.#accounts(origin),
      processPersonalMessage: async ({ data }, request) => {
        await this.#approvals.ask(request);
        return personalSign({ privateKey: this.#key, data });
      },
      processTypedMessageV4: (message, request) => this.#signTypedData(message, request),
      processTransaction: (transaction, request) => this.#send(transaction, request),
    }));
    this.#engine.push(answer((request) => {
      if (request.method.startsWith('wallet_')) throw rpcErrors.methodNotFound();
      return rpc(this.#chains.get(this.#chainId), request.method, request.params ?? []);
    }));
  }

  async #switchChain(request) {
    const chainId = chainIdOf(request.params);
    if (!this.#chains.has(chainId)) {
      throw providerErrors.custom({
        code: 4902,
        message: `Unrecognized chain ID "${chainId}". Try adding the chain using wallet_addEthereumChain first.`,
      });
    }
    if (chainId !== this.#chainId) {
      await this.#approvals.ask(request);
      this.#switch(chainId);
    }
    return null;
  }

  async #addChain(request) {
    const chainId = chainIdOf(request.params);
    const { chainName, rpcUrls, nativeCurrency } = request.params[0];
    const rpcUrl = [rpcUrls].flat().find(mayBeRpc);
    if (!rpcUrl) throw rpcErrors.invalidParams('Expected an array with at least one valid string HTTPS url \'rpcUrls\'');
    if (typeof chainName !== 'string' || !chainName) throw rpcErrors.invalidParams('Expected non-empty string \'chainName\'');
    if (nativeCurrency?.decimals !== 18) throw rpcErrors.invalidParams('Expected the number 18 for \'nativeCurrency.decimals\'');
    if (!/^.{1,6}$/.test(nativeCurrency.symbol)) throw rpcErrors.invalidParams('Expected 1-6 character string \'nativeCurrency.symbol\'');
    const answered = await rpc(rpcUrl, 'eth_chainId', []);
    if (answered !== chainId) {
      throw rpcErrors.invalidParams(`Chain ID returned by RPC URL ${rpcUrl} does not match ${chainId}`);
    }
    const known = this.#chains.has(chainId);
    if (known && chainId === this.#chainId) return null;
    await this.#approvals.ask(request);
    if (!known) this.#chains.set(chainId, rpcUrl);
    if (known || this.#switchOnAdd) this.#switch(chainId);
    return null;
  }

  async #signTypedData({ data }, request) {
    const typed = JSON.parse(data);
    const { chainId } = typed.domain ?? {};
    if (chainId !== undefined && Number(chainId) !== this.chainId) {
      throw rpcErrors.internal(`Provided chainId "${chainId}" must match the active chainId "${this.chainId}"`);
    }
    const key = await this.#approvals.ask(request);
    return signTypedData({ privateKey: key ?? this.#key, data: typed, version: 'V4' });
  }

  /** One after the other, so that two transactions do not take the same nonce. */
  async #send(transaction, request) {
    if (transaction.chainId !== undefined && Number(transaction.chainId) !== this.chainId) {
      throw rpcErrors.invalidParams('The transaction names another chain than the active one');
    }
    await this.#approvals.ask(request);
    const sent = this.#sending.then(() => this.#sign(transaction));
    this.#sending = sent.catch(() => {});
    return sent;
  }

  async #sign({ to, data, value, gas, gasLimit }) {
    const rpcUrl = this.#chains.get(this.#chainId);
    const transport = http(rpcUrl, { retryCount: 0 });
    const chain = defineChain({
      id: this.chainId, name: 'chain', rpcUrls: { default: { http: [rpcUrl] } },
      nativeCurrency: { name: 'coin', symbol: 'COIN', decimals: 18 },
    });
    const account = this.#account;
    try {
      // `pending`: the nonce after whatever is on its way.
      const nonce = await createPublicClient({ chain, transport }).getTransactionCount({ address: account.address, blockTag: 'pending' });
      const limit = gas ?? gasLimit;
      return await createWalletClient({ account, chain, transport }).sendTransaction({
        to, data, nonce, value: value === undefined ? undefined : BigInt(value), gas: limit === undefined ? undefined : BigInt(limit),
      });
    } catch (error) {
      throw rpcErrors.internal({ message: error.details ?? error.shortMessage ?? error.message });
    }
  }
}

function chainIdOf(params) {
  const chainId = params?.[0]?.chainId;
  if (typeof chainId !== 'string' || !/^0x[1-9a-f][0-9a-f]*$/i.test(chainId)) {
    throw rpcErrors.invalidParams(`Expected 0x-prefixed, unpadded, non-zero hexadecimal string 'chainId'. Received:\n${chainId}`);
  }
  return chainId.toLowerCase();
}

/** As MetaMask: https, or this machine. */
function mayBeRpc(url) {
  try {
    const { protocol, hostname } = new URL(url);
    return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname));
  } catch {
    return false;
  }
}

async function rpc(url, method, params) {
  let answer;
  try {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    answer = await (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
  } catch {
    throw rpcErrors.internal('Failed to fetch');
  }
  if (answer.error) throw new JsonRpcError(answer.error.code, answer.error.message, answer.error.data);
  return answer.result;
}
