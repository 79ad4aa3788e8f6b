// The test wallet behaves as a dApp meets MetaMask. What others test with it stands on this.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { recoverMessageAddress, recoverTypedDataAddress, toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { startAnvil } from '../../contracts/tools/anvil.mjs';
import { createWallet } from './index.mjs';

// The first two of anvil's public test accounts.
const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const OTHER_KEY = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d';
const ADDRESS = privateKeyToAccount(KEY).address;
const OTHER = privateKeyToAccount(OTHER_KEY).address;
const CALIBRATION = '0x4cb2f';

describe('the test wallet', { timeout: 120_000 }, () => {
  let browser, site, url, local, calibration, context, page, wallet;

  before(async () => {
    [local, calibration] = await Promise.all([startAnvil({ chainId: 31337 }), startAnvil({ chainId: 314159 })]);
    site = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.setHeader('content-security-policy', "default-src 'self'; script-src 'self'");
      response.end('<!doctype html><title>a page</title>');
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    url = `http://127.0.0.1:${site.address().port}/`;
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
  });
  after(async () => {
    await browser?.close();
    site?.close();
    await Promise.all([local?.stop(), calibration?.stop()]);
  });

  /** A new person with a page open, whose wallet is not connected. */
  const open = async (options) => {
    await context?.close();
    context = await browser.newContext();
    wallet = await createWallet({ context, privateKey: KEY, rpcUrl: local.url, chainId: 31337, autoApprove: false, ...options });
    page = await context.newPage();
    await visit();
  };
  const visit = async () => {
    await page.goto(url);
    await page.evaluate(() => {
      window.heard = [];
      for (const name of ['accountsChanged', 'chainChanged']) window.ethereum.on(name, (value) => window.heard.push([name, value]));
    });
  };
  beforeEach(() => open());

  /** `{ result }` or `{ code, message }`. */
  const request = (method, params) => page.evaluate(async ([method, params]) => {
    try {
      return { result: await window.ethereum.request({ method, params }) };
    } catch ({ code, message }) {
      return { code, message };
    }
  }, [method, params]);
  const asked = async (method, params, decide) => {
    const answer = request(method, params);
    await wallet[decide](method);
    return answer;
  };
  const connect = () => asked('eth_requestAccounts', [], 'approve');
  const heard = (name) => page.waitForFunction((name) => window.heard.find(([what]) => what === name)?.[1], name).then((value) => value.jsonValue());
  const addition = (chain, chainId = CALIBRATION) => [{
    chainId, chainName: 'Calibration', rpcUrls: [chain.url], nativeCurrency: { name: 'tFIL', symbol: 'tFIL', decimals: 18 },
  }];
  const typedData = (chainId) => ({
    domain: { name: 'HealthSync', version: '1', chainId },
    types: {
      EIP712Domain: [{ name: 'name', type: 'string' }, { name: 'version', type: 'string' }, { name: 'chainId', type: 'uint256' }],
      Delegation: [{ name: 'person', type: 'address' }, { name: 'device', type: 'string' }, { name: 'issuedAt', type: 'uint64' }],
    },
    primaryType: 'Delegation',
    message: { person: ADDRESS, device: 'ab'.repeat(32), issuedAt: '1700000000' },
  });

  const announcements = () => page.evaluate(() => {
    const found = [];
    addEventListener('eip6963:announceProvider', ({ detail }) => {
      found.push({ ...detail.info, works: typeof detail.provider.request === 'function' });
    });
    dispatchEvent(new Event('eip6963:requestProvider'));
    return found;
  });

  it('is announced by EIP-6963, or window.ethereum alone', async () => {
    const [{ name, rdns, icon, uuid, works }, ...more] = await announcements();
    assert.deepEqual([name, rdns, works, more], ['MetaMask', 'io.metamask', true, []]);
    assert.match(icon, /^data:image\/svg\+xml,/);
    assert.match(uuid, /^[0-9a-f-]{36}$/);
    await open({ announced: false });
    assert.deepEqual(await announcements(), []);
    assert.equal(await page.evaluate(() => window.ethereum.isMetaMask), true);
  });

  it('shows no account before the person connects it', async () => {
    assert.deepEqual(await request('eth_accounts'), { result: [] });
    const { code } = await request('personal_sign', [toHex('hello'), ADDRESS]);
    assert.equal(code, 4100);
    assert.deepEqual(wallet.waiting(), []);
  });

  it('connects when approved, not when rejected', async () => {
    assert.equal((await asked('eth_requestAccounts', [], 'reject')).code, 4001);
    assert.deepEqual(await request('eth_accounts'), { result: [] });
    assert.deepEqual(await connect(), { result: [ADDRESS.toLowerCase()] });
    assert.deepEqual(await heard('accountsChanged'), [ADDRESS.toLowerCase()]);
    assert.deepEqual(await request('eth_requestAccounts'), { result: [ADDRESS.toLowerCase()] }, 'no second question');
  });

  it('answers -32002 while it is already asking', async () => {
    const first = request('eth_requestAccounts');
    await wallet.pending('eth_requestAccounts');
    assert.equal((await request('eth_requestAccounts')).code, -32002);
    await wallet.approve('eth_requestAccounts');
    assert.deepEqual((await first).result, [ADDRESS.toLowerCase()]);
  });

  it('keeps the connection over a reload, and drops what the old page asked', async () => {
    await connect();
    const lost = request('personal_sign', [toHex('hello'), ADDRESS]).catch(() => 'gone');
    await wallet.pending('personal_sign');
    await visit();
    assert.equal(await lost, 'gone');
    assert.deepEqual(await request('eth_accounts'), { result: [ADDRESS.toLowerCase()] });
    assert.deepEqual(wallet.waiting(), []);
  });

  it('knows its chain, and refuses one it does not know with 4902', async () => {
    assert.deepEqual(await request('eth_chainId'), { result: '0x7a69' });
    assert.equal((await request('wallet_switchEthereumChain', [{ chainId: CALIBRATION }])).code, 4902);
    assert.equal((await request('wallet_switchEthereumChain', [{ chainId: 314159 }])).code, -32602);
    assert.deepEqual(await request('wallet_switchEthereumChain', [{ chainId: '0x7a69' }]), { result: null });
  });

  it('adds a chain when approved, and switches to it', async () => {
    assert.equal((await asked('wallet_addEthereumChain', addition(calibration), 'reject')).code, 4001);
    assert.equal((await request('wallet_switchEthereumChain', [{ chainId: CALIBRATION }])).code, 4902);
    assert.deepEqual(await asked('wallet_addEthereumChain', addition(calibration), 'approve'), { result: null });
    assert.equal(await heard('chainChanged'), CALIBRATION, 'hex text');
    assert.deepEqual(await request('eth_chainId'), { result: CALIBRATION });
    assert.deepEqual(await request('net_version'), { result: '314159' });
  });

  it('can add a chain without switching to it', async () => {
    await open({ switchOnAdd: false });
    assert.deepEqual(await asked('wallet_addEthereumChain', addition(calibration), 'approve'), { result: null });
    assert.deepEqual(await request('eth_chainId'), { result: '0x7a69' });
  });

  it('refuses to add what makes no sense', async () => {
    assert.equal((await request('wallet_addEthereumChain', addition(local))).code, -32602, 'another chain answers');
    assert.equal((await request('wallet_addEthereumChain', addition({ url: 'http://192.0.2.1/' }))).code, -32602, 'not https');
    assert.deepEqual(wallet.waiting(), []);
  });

  it('switches between chains when approved', async () => {
    await asked('wallet_addEthereumChain', addition(calibration), 'approve');
    const back = [{ chainId: '0x7a69' }];
    assert.equal((await asked('wallet_switchEthereumChain', back, 'reject')).code, 4001);
    assert.deepEqual(await request('eth_chainId'), { result: CALIBRATION });
    assert.deepEqual(await asked('wallet_switchEthereumChain', back, 'approve'), { result: null });
    assert.equal(wallet.chainId, 31337);
  });

  it('signs messages, given as hex or as text', async () => {
    await connect();
    for (const message of [toHex('Grüezi, 世界'), 'Grüezi, 世界']) {
      const { result } = await asked('personal_sign', [message, ADDRESS], 'approve');
      assert.equal(await recoverMessageAddress({ message: 'Grüezi, 世界', signature: result }), ADDRESS);
    }
  });

  it('signs typed data for the chain it is on', async () => {
    await connect();
    const data = typedData(31337);
    const { result } = await asked('eth_signTypedData_v4', [ADDRESS, JSON.stringify(data)], 'approve');
    assert.equal(await recoverTypedDataAddress({ ...data, signature: result }), ADDRESS);
    const refused = await request('eth_signTypedData_v4', [ADDRESS, JSON.stringify(typedData(314159))]);
    assert.match(refused.message, /must match the active chainId/);
  });

  it('sends transactions that are mined, also two at once', async () => {
    await connect();
    wallet.autoApprove = true;
    const transaction = [{ from: ADDRESS, to: OTHER, value: '0x1' }];
    const hashes = await Promise.all([request('eth_sendTransaction', transaction), request('eth_sendTransaction', transaction)]);
    assert.notEqual(hashes[0].result, hashes[1].result);
    for (const { result } of hashes) {
      const receipt = await local.rpc('eth_getTransactionReceipt', [result]);
      assert.deepEqual([receipt.status, receipt.from], ['0x1', ADDRESS.toLowerCase()]);
    }
  });

  it('says what the chain said when a transaction cannot be paid', async () => {
    const poor = generatePrivateKey();
    await open({ privateKey: poor, autoApprove: true });
    await request('eth_requestAccounts');
    const { code, message } = await request('eth_sendTransaction', [{ from: wallet.address, to: OTHER, value: '0x1' }]);
    assert.equal(code, -32603);
    assert.match(message, /insufficient funds/i);
  });

  it('gives 4001 for each kind of signature that is rejected', async () => {
    await connect();
    const nonce = await request('eth_getTransactionCount', [ADDRESS, 'latest']);
    for (const [method, params] of [
      ['personal_sign', [toHex('hello'), ADDRESS]],
      ['eth_signTypedData_v4', [ADDRESS, JSON.stringify(typedData(31337))]],
      ['eth_sendTransaction', [{ from: ADDRESS, to: OTHER, value: '0x1' }]],
    ]) {
      assert.equal((await asked(method, params, 'reject')).code, 4001, method);
    }
    assert.deepEqual(await request('eth_getTransactionCount', [ADDRESS, 'latest']), nonce);
  });

  it('passes other methods to the chain, with its errors', async () => {
    assert.match((await request('eth_getBalance', [OTHER, 'latest'])).result, /^0x[0-9a-f]{10,}$/);
    assert.equal((await request('eth_feeHistory', ['0x1', 'latest', []])).result.baseFeePerGas.length, 2);
    assert.equal((await request('eth_noSuchMethod')).code, -32601);
    assert.equal((await request('wallet_noSuchMethod')).code, -32601);
  });

  it('tells pages when the person changes account, changes chain or disconnects', async () => {
    await connect();
    await asked('wallet_addEthereumChain', addition(calibration), 'approve');
    await visit();
    wallet.setAccount(OTHER_KEY);
    assert.deepEqual(await heard('accountsChanged'), [OTHER.toLowerCase()]);
    assert.equal((await request('personal_sign', [toHex('hello'), ADDRESS])).code, 4100, 'the old account is not connected');
    wallet.setChain(31337);
    assert.equal(await heard('chainChanged'), '0x7a69');
    assert.throws(() => wallet.setChain(5), /does not know/);
    await visit();
    wallet.disconnect();
    assert.deepEqual(await heard('accountsChanged'), []);
    assert.deepEqual(await request('eth_accounts'), { result: [] });
  });

  it('shows no account while it is locked, and tells pages when it is unlocked', async () => {
    await connect();
    await visit();
    wallet.lock();
    assert.deepEqual(await heard('accountsChanged'), []);
    assert.deepEqual(await request('eth_accounts'), { result: [] });
    await visit();
    wallet.unlock();
    assert.deepEqual(await heard('accountsChanged'), [ADDRESS.toLowerCase()]);
  });

  it('connects each site for itself', async () => {
    await connect();
    await page.goto(url.replace('127.0.0.1', 'localhost'));
    assert.deepEqual(await request('eth_accounts'), { result: [] });
  });

  it('keeps a list of what pages asked', async () => {
    wallet.autoApprove = true;
    await request('eth_requestAccounts');
    await request('personal_sign', [toHex('hello'), ADDRESS]);
    assert.deepEqual(wallet.log.filter((method) => method !== 'eth_accounts'), ['eth_requestAccounts', 'personal_sign']);
  });
});
