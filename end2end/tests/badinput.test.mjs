// Every field of every call to the key nodes and the storage: missing, of another type, too long, in another case, for what is
// not there. A refusal is JSON with a code and a sentence; nothing of the inside is in it, and nothing was changed by it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { apiKey, cidOf, jwt, kavach, pointAt, withoutRests } from '../lighthouse/client.mjs';
import { SERVER, startStack } from '../stack.mjs';

const LONG = 'x'.repeat(20_000);
/** What is in no field of any call. */
const NEVER = { missing: undefined, null: null, 'a number': 7, 'a truth': true, 'an object': { a: 1 }, 'an empty text': '', 'a long text': LONG, 'a list of numbers': [1, 2], 'a deep list': JSON.parse(`${'['.repeat(90)}${']'.repeat(90)}`) };

describe('bad input to key nodes and storage', { timeout: 300_000 }, () => {
  let stack, restAgain, ada, ben, eve, token, cid, unknown, share, key;
  const bearer = (who) => ({ authorization: `Bearer ${token[who]}` });

  const call = async (method, url, body, headers = {}) => {
    const sent = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(`${stack.url}${url}`, { method, headers: { 'content-type': 'application/json', ...headers }, body: sent });
    const text = await response.text();
    let answer;
    try { answer = JSON.parse(text); } catch { assert.fail(`${method} ${url} answers ${response.status} and no JSON: ${text.slice(0, 200)}`); }
    return { status: response.status, answer, text };
  };
  const sentence = (answer) => {
    let text = answer.error ?? answer.message;
    while (text?.message) text = text.message;
    return text;
  };
  /** A refusal as it should be. */
  const refusal = ({ status, answer, text }, what, codes) => {
    assert.ok(status >= 400 && status < 500 && status !== 429, `${what}: ${status} ${text}`);
    assert.ok(!Array.isArray(answer) && typeof answer === 'object', what);
    assert.match(String(answer.code), /^[a-z_]+$/, `${what}: ${text}`);
    assert.match(String(sentence(answer)), /^["A-Za-z].{4,}/, `${what}: ${text}`);
    assert.ok(text.length < 700, `${what}: ${text}`);
    assert.doesNotMatch(text, /panick|unwrap|\.rs|stack|sqlite|\/tmp|serde|line \d/i, what);
    if (codes) assert.ok(codes.includes(answer.code), `${what}: ${text}`);
  };
  /** What the first node tells everybody about the key. */
  const record = async () => (await call('GET', `/api/fileAccessConditions/get/${cid}`)).text;

  const room = { id: 1, chain: 'Local chain', standardContractType: '', method: 'getBlockNumber', returnValueTest: { comparator: '>=', value: '0' } };

  /** Each call with good values; `free` are fields that may be missing, `texts` and other kinds that a field takes, too. */
  const calls = () => ({
    save: { method: 'POST', url: '/api/setSharedKey/1', body: { address: ada.address, cid, payload: share }, fields: ['address', 'cid', 'payload'] },
    'save for people': { method: 'POST', url: '/api/setSharedKey/1', body: { address: ada.address, cid, payload: share, sharedTo: [ben.address] }, fields: ['sharedTo'], takes: { sharedTo: ['missing', 'null'] } },
    share: { method: 'PUT', url: '/api/setSharedKey/1', body: { address: ada.address, cid, shareTo: [ben.address] }, fields: ['address', 'cid', 'shareTo'] },
    revoke: { method: 'DELETE', url: '/api/setSharedKey/1', body: { address: ada.address, cid, revokeTo: [eve.address] }, fields: ['address', 'cid', 'revokeTo'] },
    retrieve: { method: 'POST', url: '/api/retrieveSharedKey/1', body: { address: ada.address, cid, dynamicData: {}, sealTo: undefined, ownerAddress: undefined }, fields: ['address', 'cid', 'dynamicData', 'sealTo', 'ownerAddress'],
      takes: { dynamicData: ['missing', 'null', 'an object'], sealTo: ['missing', 'null'], ownerAddress: ['missing', 'null'] } },
    'set conditions': { method: 'PUT', url: '/api/fileAccessConditions/1', body: { address: ada.address, cid, conditions: [room], aggregator: '([1])', chainType: 'evm' }, fields: ['address', 'cid', 'conditions', 'aggregator', 'chainType'],
      // As the official client: one condition needs no aggregator, and no chain type is EVM.
      takes: { aggregator: ['missing', 'null'], chainType: ['missing', 'null', 'an empty text'] } },
    'save with conditions': { method: 'POST', url: '/api/fileAccessConditions/1', body: { address: ada.address, cid, conditions: [room], aggregator: '([1])', chainType: 'evm', decryptionType: 'ADDRESS', payload: share }, fields: ['payload', 'decryptionType', 'conditions'],
      takes: { decryptionType: ['missing', 'null'] } },
    'delegate all': { method: 'POST', url: '/api/setAllFilesAccess/1', body: { address: ada.address, allFilesAccess: [] }, fields: ['address', 'allFilesAccess'] },
    'read the log': { method: 'POST', url: '/api/keyLog/1', body: { address: ada.address, cid }, fields: ['address', 'cid'] },
    transfer: { method: 'POST', url: '/api/transferOwnership/1', body: { address: ada.address, cid, newOwner: ada.address, resetSharedTo: false }, fields: ['address', 'cid', 'newOwner', 'resetSharedTo'],
      takes: { resetSharedTo: ['missing', 'null', 'a truth'] } },
    retire: { method: 'POST', url: '/api/retireSharedKey/2', body: { address: ada.address, cid }, fields: ['address', 'cid'] },
  });

  before(async () => {
    stack = await startStack();
    pointAt(stack.url);
    restAgain = withoutRests();
    [ada, ben, eve] = [0, 1, 2].map(() => privateKeyToAccount(generatePrivateKey()));
    token = { ada: (await jwt(ada)).token, eve: (await jwt(eve)).token };
    key = await apiKey(ada, stack.url);
    cid = await cidOf([randomBytes(64)]);
    unknown = await cidOf([randomBytes(64)]);
    const { keyShards } = await kavach.generate();
    share = keyShards[0];
    for (const n of [1, 2]) {
      const saved = await call('POST', `/api/setSharedKey/${n}`, { address: ada.address, cid, payload: keyShards[n - 1] }, bearer('ada'));
      assert.equal(saved.status, 200, saved.text);
    }
  });
  after(async () => {
    restAgain?.();
    await stack?.stop();
  });

  it('takes each call with good values', async () => {
    for (const [name, { method, url, body }] of Object.entries(calls())) {
      const { status, text } = await call(method, url, body, bearer('ada'));
      assert.equal(status, 200, `${name}: ${text}`);
    }
  });

  it('refuses every field that is missing, of another type or too long, and changes nothing', async () => {
    const before = await record();
    let refused = 0;
    for (const [name, { method, url, body, fields, takes = {} }] of Object.entries(calls())) {
      for (const field of fields) {
        for (const [how, value] of Object.entries(NEVER)) {
          if (takes[field]?.includes(how)) continue;
          // An empty list of conditions is one that the client sends, and texts are what an aggregator is.
          if (field === 'aggregator' && ['an empty text', 'a long text'].includes(how)) continue;
          refusal(await call(method, url, { ...body, [field]: value }, bearer('ada')), `${name}, ${field} ${how}`);
          refused++;
        }
      }
    }
    assert.ok(refused > 200, `${refused}`);
    assert.equal(await record(), before);
  });

  it('takes an address in any case, and no content id but in its own', async () => {
    for (const address of [ada.address.toLowerCase(), `0x${ada.address.slice(2).toUpperCase()}`]) {
      const { status, text } = await call('POST', '/api/retrieveSharedKey/1', { address, cid }, bearer('ada'));
      assert.equal(status, 200, text);
    }
    for (const wrong of [`${cid.slice(0, -1)}`, `${cid}=`, ` ${cid}`, `${cid}\0`, cid.replace('bafk', 'QmZz'), '../../etc/passwd', "' OR 1=1 --"]) {
      refusal(await call('POST', '/api/retrieveSharedKey/1', { address: ada.address, cid: wrong }, bearer('ada')), wrong, ['invalid_cid']);
      refusal(await call('GET', `/api/fileAccessConditions/get/${encodeURIComponent(wrong)}`), wrong, ['invalid_cid']);
    }
  });

  it('says of a key that is not there only that, whoever asks', async () => {
    const ask = (who, of) => call('POST', '/api/retrieveSharedKey/1', { address: { ada, eve }[who].address, cid: of }, bearer(who));
    refusal(await ask('ada', unknown), 'an unknown key', ['unknown_cid']);
    assert.equal((await ask('ada', unknown)).text, (await ask('eve', unknown)).text);
    for (const [name, { method, url, body, fields }] of Object.entries(calls())) {
      if (!fields.includes('cid') || method === 'POST' && url.includes('setSharedKey')) continue;
      refusal(await call(method, url, { ...body, cid: unknown }, bearer('ada')), `${name}, unknown`, ['unknown_cid', 'denied']);
    }
  });

  it("does nothing for somebody else's token, with a used signature or with none", async () => {
    const before = await record();
    for (const [name, { method, url, body }] of Object.entries(calls())) {
      for (const [whose, headers] of Object.entries({
        "eve's": bearer('eve'), none: {}, empty: { authorization: '' }, basic: { authorization: 'Basic YTpi' }, 'a bare word': { authorization: token.ada },
        'a zero signature': { authorization: `Bearer 0x${'00'.repeat(65)}` }, 'a cut one': { authorization: `Bearer ${token.ada.slice(0, -3)}` }, 'a long one': { authorization: `Bearer jwt:${'a'.repeat(6_000)}` },
      })) {
        refusal(await call(method, url, body, headers), `${name}, ${whose}`, ['invalid_signature', 'wrong_scope']);
      }
      // With her own name on it, it is hers, and she may not.
      if (name === 'retrieve' || name === 'delegate all') continue;
      refusal(await call(method, url, { ...body, address: eve.address }, bearer('eve')), `${name}, by eve`, ['denied']);
    }
    const [{ message }] = (await call('GET', `/api/message/${ada.address}`)).answer;
    const signed = { authorization: `Bearer ${await ada.signMessage({ message })}` };
    const get = () => call('POST', '/api/retrieveSharedKey/1', { address: ada.address, cid }, signed);
    assert.equal((await get()).status, 200);
    refusal(await call('PUT', '/api/setSharedKey/1', { address: ada.address, cid, shareTo: [eve.address] }, signed), 'for another call', ['invalid_signature']);
    assert.equal((await get()).status, 200, 'the client repeats lost calls');
    assert.equal((await get()).status, 200);
    refusal(await get(), 'a fourth time', ['invalid_signature']);
    assert.equal(await record(), before);
  });

  it('refuses conditions that are too many, too deep or not of the language, and names what is wrong', async () => {
    const set = (conditions, aggregator) => call('PUT', '/api/fileAccessConditions/1', { address: ada.address, cid, conditions, aggregator, chainType: 'evm' }, bearer('ada'));
    const many = Array.from({ length: 200 }, (_, i) => ({ ...room, id: i + 1 }));
    refusal(await set(many, many.map(({ id }) => `[${id}]`).join(' and ')), '200 conditions', ['invalid_conditions']);
    // Always true, but for brackets that nobody reads: the official client would send them, so they are kept, and let nobody in.
    const everybody = await set([room], '([1])');
    assert.equal(everybody.status, 200, everybody.text);
    const eves = () => call('POST', '/api/retrieveSharedKey/1', { address: eve.address, cid }, bearer('eve'));
    assert.equal((await eves()).status, 200);
    assert.equal((await set([room, { ...room, id: 2 }], `${'('.repeat(5_000)}[1] and [2]${')'.repeat(5_000)}`)).status, 200);
    refusal(await eves(), 'deep brackets', ['denied']);
    for (const [field, value] of [['id', 0], ['id', 'one'], ['chain', 7], ['standardContractType', 'ERC99'], ['method', 'selfdestruct'], ['returnValueTest', {}], ['returnValueTest', { comparator: '=~', value: '1' }], ['more', 1]]) {
      const { answer, ...rest } = await set([{ ...room, [field]: value }], '([1])');
      refusal({ answer, ...rest }, field, ['invalid_conditions']);
      assert.match(sentence(answer), new RegExp(field === 'returnValueTest' ? 'returnValueTest|comparator' : field), sentence(answer));
    }
  });

  it('answers in JSON where there is no node, no such way and no JSON', async () => {
    for (const n of ['0', '6', '255', '256', '-1', 'one', '1e0', '%00']) {
      refusal(await call('POST', `/api/retrieveSharedKey/${n}`, { address: ada.address, cid }, bearer('ada')), n, ['no_such_node']);
    }
    for (const body of ['', '{', '[]', '7', 'null', '{"address":', `{"a":"${'x'.repeat(200_000)}"}`, `${'['.repeat(30_000)}`]) {
      for (const [method, url] of [['POST', '/api/setSharedKey/1'], ['POST', '/api/retrieveSharedKey/1'], ['PUT', '/api/fileAccessConditions/1'], ['POST', '/api/message/get-jwt'], ['PUT', '/api/message/get-jwt'], ['POST', '/api/auth/create_api_key']]) {
        refusal(await call(method, url, body, bearer('ada')), `${url} with ${body.slice(0, 20)}`);
      }
    }
    for (const address of ['0x1234', 'ada', `0x${'g'.repeat(40)}`, 'x'.repeat(3_000)]) {
      refusal(await call('GET', `/api/message/${address}`), address.slice(0, 50), ['invalid_address']);
    }
    for (const [field, body] of Object.entries({ address: { address: 7, signature: '0x' }, signature: { address: ada.address, signature: 7 }, both: {} })) {
      refusal(await call('POST', '/api/message/get-jwt', body), field);
    }
    for (const body of [{}, { address: ada.address, refreshToken: 7 }, { address: ada.address, refreshToken: `r:${LONG}` }]) refusal(await call('PUT', '/api/message/get-jwt', body), 'a renewal');
  });

  it('refuses what is wrong with a call to the storage', async () => {
    const keyed = { authorization: `Bearer ${key}` };
    for (const query of ['', '?publicKey=', '?publicKey=0x12', `?publicKey=${'x'.repeat(5_000)}`]) refusal(await call('GET', `/api/auth/get_message${query}`), query.slice(0, 40));
    for (const body of [{}, { publicKey: ada.address }, { publicKey: 7, signedMessage: 7 }, { publicKey: ada.address, signedMessage: 'no' }, { publicKey: ada.address, signedMessage: `0x${'11'.repeat(65)}` }]) {
      refusal(await call('POST', '/api/auth/create_api_key', body), JSON.stringify(body));
    }
    for (const url of ['/api/user/files_uploaded', '/api/user/user_data_usage']) {
      for (const headers of [{}, { authorization: 'Bearer ' }, { authorization: `Bearer ${'a'.repeat(5_000)}` }, { authorization: `Bearer ${key}x` }]) refusal(await call('GET', url, undefined, headers), url);
    }
    // There is no page after what is not there.
    for (const after of ['zebra', '-1', '9'.repeat(50), LONG.slice(0, 4_000)]) assert.deepEqual((await call('GET', `/api/user/files_uploaded?lastKey=${after}`, undefined, keyed)).answer.fileList, []);
    for (const query of ['', '?id=', '?id=zebra', '?id=-1', `?id=${'9'.repeat(50)}`]) refusal(await call('DELETE', `/api/user/delete_file${query}`, undefined, keyed), query);
    for (const query of ['', '?cid=', '?cid=zebra', `?cid=${unknown}`]) refusal(await call('GET', `/api/lighthouse/file_info${query}`), query);
    for (const wrong of ['zebra', unknown, 'x'.repeat(5_000), '..%2f..%2fetc%2fpasswd']) {
      refusal(await call('POST', `/api/v0/cat/${wrong}`), wrong.slice(0, 40));
      refusal(await call('GET', `/ipfs/${wrong}`), wrong.slice(0, 40));
    }
    const upload = (body, headers) => call('POST', '/api/v0/add', body, { ...keyed, ...headers });
    refusal(await upload('{}', {}), 'no form');
    refusal(await upload('--x\r\n', { 'content-type': 'multipart/form-data' }), 'no boundary');
    refusal(await upload('--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\ncut', { 'content-type': 'multipart/form-data; boundary=x' }), 'a form that is cut');
    refusal(await upload('--x\r\ncontent-disposition: form-data; name="other"\r\n\r\na\r\n--x--\r\n', { 'content-type': 'multipart/form-data; boundary=x' }), 'no file in it');
    refusal(await upload('--x--\r\n', { 'content-type': 'multipart/form-data; boundary=x', authorization: 'Bearer nobody' }), 'a stranger');
  });

  it('a setting that may hold a secret is refused without it, and not shown by --help either', async () => {
    const secret = '5ecr3t';
    const run = (args, env) => new Promise((done) => {
      execFile(SERVER, args, { env: { PATH: process.env.PATH, ...env } }, (error, stdout, stderr) => done({ code: error?.code ?? 0, said: stdout + stderr }));
    });
    const wrong = {
      HEALTHSYNC_STORAGE_API_KEY: `${secret}\n`,
      HEALTHSYNC_DATABASE_URL: `postgres://hs:5/${secret}@127.0.0.1/hs`,
      HEALTHSYNC_CONDITION_CHAINS: `Ethereum=https://rpc.example/${secret}`,
      HEALTHSYNC_CHAIN_RPC: `https://me:${secret}@rpc.example`,
    };
    for (const [name, value] of Object.entries(wrong)) {
      const { code, said } = await run([], { [name]: value });
      assert.equal(code, 2, said);
      assert.ok(said.includes(name) && said.includes('not shown') && !said.includes(secret), said);
    }
    const secrets = { HEALTHSYNC_STORAGE_API_KEY: secret, HEALTHSYNC_CONDITION_CHAINS: `Base=8453@https://rpc.example/${secret}`, AWS_SECRET_ACCESS_KEY: secret };
    const { code, said } = await run(['--help'], secrets);
    assert.equal(code, 0);
    assert.ok(said.includes('--condition-chains') && !said.includes(secret), said);
  });

  it('has not stumbled', async () => {
    assert.equal((await fetch(`${stack.url}/healthz`)).status, 200);
    for (const name of await readdir(stack.logDir)) assert.doesNotMatch(await readFile(path.join(stack.logDir, name), 'utf8'), /panicked/, name);
  });
});
