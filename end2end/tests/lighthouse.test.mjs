// Lighthouse's own client, as published, does everything it can against our server: what it writes it reads back, and
// the people it shares with get in and out as it says. Only its rests of one second after each call are left out.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { cipher } from '../lighthouse/cipher.mjs';
import { apiKey, cidOf, jwt, kavach, pointAt, prove, sdk, withoutRests } from '../lighthouse/client.mjs';
import { Registry } from '../lib/registry.mjs';
import { startStack } from '../stack.mjs';

const account = () => privateKeyToAccount(generatePrivateKey());
const bytesOf = (decrypted) => Buffer.from(decrypted);
/** The sentence deep inside what the client throws. */
const deepest = (error) => {
  let inner = error;
  while (inner?.message) inner = inner.message;
  return typeof inner === 'string' && inner.startsWith('{') ? deepest(JSON.parse(inner)) : inner;
};
const refused = async (promise, text) => {
  const error = await promise.then(() => assert.fail('it was let in'), (error) => error);
  assert.match(String(deepest(error)), text);
};

describe("Lighthouse's own client against our server", { timeout: 240_000 }, () => {
  let stack, folder, restAgain, ada, ben, eve, key, registry;
  const plain = randomBytes(300_000);
  let file;

  const open = async (who, cid) => {
    const { data } = await sdk.fetchEncryptionKey(cid, who.address, await prove(who));
    return bytesOf(await sdk.decryptFile(cid, data.key));
  };
  const denied = (who, cid) => prove(who).then((proof) => refused(sdk.fetchEncryptionKey(cid, who.address, proof), /Access Denied/));

  before(async () => {
    stack = await startStack();
    folder = await mkdtemp(path.join(tmpdir(), 'lighthouse-'));
    pointAt(stack.url);
    restAgain = withoutRests();
    [ada, ben, eve] = [account(), account(), account()];
    registry = new Registry(stack);
    await registry.fund(ada);
  });
  after(async () => {
    restAgain?.();
    await rm(folder, { recursive: true, force: true });
    await stack?.stop();
  });

  it('gets an API key for a signature, once', async () => {
    key = await apiKey(ada, stack.url);
    assert.equal(typeof key, 'string');
    const message = await (await fetch(`${stack.url}/api/auth/get_message?publicKey=${ada.address}`)).json();
    const signedMessage = await ada.signMessage({ message });
    const create = (publicKey) => fetch(`${stack.url}/api/auth/create_api_key`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ publicKey, signedMessage }),
    });
    assert.equal((await create(ben.address)).status, 401, "somebody else's signature");
    assert.equal((await create(ada.address)).status, 200);
    assert.equal((await create(ada.address)).status, 401, 'a second use');
  });

  it('uploads a file encrypted, fetches its key and decrypts it', async () => {
    const name = path.join(folder, 'scan.dcm');
    await writeFile(name, plain);
    const { data: [stored] } = await sdk.uploadEncrypted(name, key, ada.address, await prove(ada));
    file = stored.Hash;
    assert.equal(stored.Name, 'scan.dcm');
    const kept = Buffer.from(await (await fetch(`${stack.url}/ipfs/${file}`)).arrayBuffer());
    assert.equal(kept.length, plain.length + 44);
    assert.equal(await cidOf([kept]), file);
    assert.deepEqual(await open(ada, file), plain);
  });

  it('shares it: the second account opens it, the third is refused; after revoking, the second is, too', async () => {
    await denied(ben, file);
    await sdk.shareFile(ada.address, [ben.address], file, await prove(ada));
    assert.deepEqual(await open(ben, file), plain);
    await denied(eve, file);
    await refused(sdk.shareFile(ben.address, [eve.address], file, await prove(ben)), /Denied/);
    await refused(sdk.revokeFileAccess(eve.address, ben.address, file, await prove(eve)), /Access Denied/);
    await sdk.revokeFileAccess(ada.address, ben.address, file, await prove(ada));
    await denied(ben, file);
    await denied(eve, file);
  });

  it('sets conditions and reads them; members of a room get in, and nobody once removed', async () => {
    const room = await registry.create(ada, [eve.address]);
    const conditions = [{
      id: 1, chain: 'local chain', method: 'isAllowed', standardContractType: 'Custom', contractAddress: stack.registry,
      returnValueTest: { comparator: '==', value: 'true' }, parameters: [room, ':userAddress'],
      inputArrayType: ['bytes32', 'address'], outputType: 'bool',
    }, { id: 2, chain: 'Local chain', method: 'getBlockNumber', standardContractType: '', returnValueTest: { comparator: '>=', value: '1' } }];
    await sdk.applyAccessCondition(ada.address, file, await prove(ada), conditions, '([1] and [2])');
    const { data: read } = await sdk.getAccessConditions(file);
    assert.deepEqual(read.conditions, conditions);
    assert.equal(read.aggregator, '([1] and [2])');
    assert.equal(read.owner, ada.address.toLowerCase());
    assert.deepEqual(read.sharedTo, []);
    assert.deepEqual(await open(eve, file), plain);
    await denied(ben, file);
    await registry.remove(ada, room, eve.address);
    await denied(eve, file);
    await refused(sdk.applyAccessCondition(ben.address, file, await prove(ben), conditions, '([1] or [2])'), /null|Denied/);
  });

  it('gets web tokens for one signature, renews them once, and uploads a folder with them', async () => {
    const first = await jwt(ada);
    assert.match(first.token, /^jwt:/);
    assert.match(first.refresh, /^r:/);
    const renewed = await kavach.getJWT(ada.address, first.refresh, true);
    assert.match(renewed.JWT, /^jwt:/);
    assert.equal((await kavach.getJWT(ada.address, first.refresh, true)).error, 'Invalid Signature');
    const study = path.join(folder, 'study');
    await mkdir(path.join(study, 'series'), { recursive: true });
    await writeFile(path.join(study, 'one.dcm'), 'the first');
    await writeFile(path.join(study, 'series', 'two.dcm'), 'the second');
    const { data: stored } = await sdk.uploadEncrypted(study, key, ada.address, renewed.JWT);
    assert.deepEqual(stored.map((one) => one.Name).sort(), ['one.dcm', 'series-two.dcm']);
    const two = stored.find((one) => one.Name === 'series-two.dcm').Hash;
    assert.equal((await open(ada, two)).toString(), 'the second');
    const shards = await kavach.recoverShards(ben.address, two, renewed.JWT);
    assert.equal(deepest(shards.error), 'Invalid Signature', "somebody else's token");
  });

  it('uploads a text encrypted and opens it', async () => {
    const { data: [stored] } = await sdk.textUploadEncrypted('Grüße aus Lagos', key, ada.address, await prove(ada), 'note');
    assert.equal((await open(ada, stored.Hash)).toString(), 'Grüße aus Lagos');
  });

  it('saves shares with conditions in one call, and shares by hand', async () => {
    const cid = await cidOf([randomBytes(1000)]);
    const { masterKey, keyShards } = await kavach.generate();
    const token = (await jwt(ada)).token;
    const saved = await kavach.saveShards(ada.address, cid, token, keyShards, [ben.address]);
    assert.deepEqual(saved, { isSuccess: true, error: null });
    const { shards } = await kavach.recoverShards(ben.address, cid, (await jwt(ben)).token, 5);
    assert.equal((await kavach.recoverKey(shards)).masterKey, masterKey);
    const other = await cidOf([randomBytes(1000)]);
    const anybody = [{ id: 1, chain: 'Local chain', method: 'getBlockNumber', standardContractType: '', returnValueTest: { comparator: '>=', value: '0' } }];
    const both = await kavach.accessControl(ada.address, other, token, anybody, '([1])', 'EVM', keyShards, 'ACCESS_CONDITIONS');
    assert.equal(both.isSuccess, true, JSON.stringify(both));
    const got = await kavach.recoverShards(eve.address, other, (await jwt(eve)).token);
    assert.equal((await kavach.recoverKey(got.shards)).masterKey, masterKey);
  });

  it('transfers ownership: the new owner opens, the former is refused', async () => {
    const { data: [stored] } = await sdk.textUploadEncrypted('handed over', key, ada.address, await prove(ada));
    const done = await kavach.transferOwnership(ada.address, stored.Hash, ben.address, await prove(ada));
    assert.deepEqual(done, { isSuccess: true, error: null });
    assert.equal((await open(ben, stored.Hash)).toString(), 'handed over');
    await denied(ada, stored.Hash);
    assert.equal((await kavach.transferOwnership(ada.address, stored.Hash, ada.address, await prove(ada))).isSuccess, false);
  });

  it('tells the owner who was given the key and by what right, and gives the file a new one', async () => {
    const { token } = await jwt(ada);
    const read = async (who, bearer, node) => (await fetch(`${stack.url}/api/keyLog/${node}`, {
      method: 'POST', headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify({ address: who.address, cid: file }),
    })).json();
    const logs = await Promise.all([1, 2, 3, 4, 5].map((node) => read(ada, token, node)));
    const seen = new Set(logs.flatMap(({ log }) => log.map((line) => `${line.action} ${line.person}`)));
    const lower = (who) => who.address.toLowerCase();
    for (const line of [`saved ${lower(ada)}`, `given_to_owner ${lower(ada)}`, `given_by_name ${lower(ben)}`, `given_by_condition ${lower(eve)}`]) {
      assert.ok(seen.has(line), `${line} is missing in ${[...seen].join(', ')}`);
    }
    assert.ok(![...seen].some((line) => line.startsWith('given') && line.endsWith(lower(ben)) && !line.startsWith('given_by_name')));
    assert.equal((await read(ben, (await jwt(ben)).token, 1)).code, 'denied');

    await sdk.shareFile(ada.address, [ben.address], file, await prove(ada));
    const [from, to] = [path.join(folder, 'old'), path.join(folder, 'new')];
    await writeFile(from, Buffer.from(await (await fetch(`${stack.url}/ipfs/${file}`)).arrayBuffer()));
    const { data: { key: oldKey } } = await sdk.fetchEncryptionKey(file, ada.address, await prove(ada));
    const rotated = JSON.parse(execFileSync(process.env.HEALTHSYNC_KEYS, ['rotate', oldKey, from, to], { encoding: 'utf8' }));
    const form = new FormData();
    form.append('file', new Blob([await readFile(to)]), 'scan.dcm');
    const [stored] = await (await fetch(`${stack.url}/api/v0/add`, { method: 'POST', body: form, headers: { authorization: `Bearer ${key}`, encryption: 'true' } })).json();
    assert.equal(stored.Hash, rotated.cid);
    await kavach.saveShards(ada.address, rotated.cid, token, rotated.keyShards, [eve.address]);
    for (const node of [1, 2, 3, 4, 5]) {
      const retired = await fetch(`${stack.url}/api/retireSharedKey/${node}`, {
        method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ address: ada.address, cid: file }),
      });
      assert.deepEqual(await retired.json(), { message: 'success' });
    }
    await denied(ben, file);
    await denied(ben, rotated.cid);
    assert.deepEqual(await open(eve, rotated.cid), plain);
    assert.deepEqual(await open(ada, rotated.cid), plain);
    assert.notEqual(rotated.masterKey, oldKey);
  });

  it('says what is wrong in the words that the client knows', async () => {
    const nobody = await cidOf([randomBytes(10)]);
    await refused(sdk.fetchEncryptionKey(nobody, ada.address, await prove(ada)), /cid not found/);
    await refused(sdk.fetchEncryptionKey(file, ada.address, `0x${'11'.repeat(65)}`), /Invalid Signature/);
    const proof = await prove(ada);
    await sdk.fetchEncryptionKey(file, ada.address, proof);
    await refused(sdk.shareFile(ada.address, [ben.address], file, proof), /Invalid Signature/);
    await refused(sdk.getAuthMessage('0x1234'), /Invalid public Key/);
  });

  it('tells what is stored, to its owner, page by page, and deletes it', async () => {
    const { data: info } = await sdk.getFileInfo(file);
    assert.deepEqual({ ...info, txHash: undefined }, {
      fileSizeInBytes: String(plain.length + 44), cid: file, encryption: true, fileName: 'scan.dcm',
      mimeType: 'application/octet-stream', txHash: undefined,
    });
    const { data: list } = await sdk.getUploads(key);
    assert.equal(list.totalFiles, list.fileList.length);
    assert.deepEqual(list.fileList.map((one) => one.fileName).sort(), ['note', 'one.dcm', 'scan.dcm', 'scan.dcm', 'series-two.dcm', 'text']);
    const [newest] = list.fileList;
    assert.equal((await sdk.getUploads(key, newest.id)).data.fileList.length, list.totalFiles - 1);
    const { data: usage } = await sdk.getBalance(key);
    assert.equal(usage.dataUsed, list.fileList.reduce((sum, one) => sum + Number(one.fileSizeInBytes), 0));
    assert.ok(usage.dataLimit > usage.dataUsed);
    assert.deepEqual((await sdk.dealStatus(file)).data, []);
    const others = await apiKey(ben, stack.url);
    assert.equal((await sdk.getUploads(others)).data.totalFiles, 0);
    await refused(sdk.deleteFile(others, newest.id), /404/);
    await sdk.deleteFile(key, newest.id);
    assert.equal((await fetch(`${stack.url}/ipfs/${newest.cid}`)).status, 404);
    await refused(sdk.getUploads('no-such-key'), /401/);
  });

  it('uploads what is not encrypted, and the gateway gives it back with its type, whole and in part', async () => {
    const name = path.join(folder, 'leaflet.txt');
    await writeFile(name, 'for everybody');
    const { data: one } = await sdk.upload(name, key);
    assert.deepEqual(Object.keys(one).sort(), ['Hash', 'Name', 'Size']);
    assert.equal(one.Hash, await cidOf([Buffer.from('for everybody')]));
    const { data: text } = await sdk.uploadText('a text for all', key, 'words');
    assert.equal(text.Name, 'words');
    const { data: buffer } = await sdk.uploadBuffer(Buffer.from('bytes'), key);
    assert.equal(await (await fetch(`${stack.url}/ipfs/${buffer.Hash}`)).text(), 'bytes');
    const form = new FormData();
    form.append('file', new Blob(['{"a":1}'], { type: 'application/json' }), 'a.json');
    const typed = await (await fetch(`${stack.url}/api/v0/add`, { method: 'POST', body: form, headers: { authorization: `Bearer ${key}` } })).json();
    const answer = await fetch(`${stack.url}/ipfs/${typed.Hash}`, { headers: { range: 'bytes=1-3' } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.match(answer.headers.get('content-security-policy'), /sandbox/);
    assert.equal(await answer.text(), '"a"');
  });
});

describe('content ids', { timeout: 120_000 }, () => {
  let stack, key;
  before(async () => {
    stack = await startStack();
    pointAt(stack.url);
    key = await apiKey(account(), stack.url);
  });
  after(() => stack?.stop());

  for (const size of [0, 1, 262_144, 262_145, 10_000_000, 60_000_000]) {
    it(`of ${size} bytes is what another IPFS implementation computes`, async () => {
      const bytes = randomBytes(size);
      const { data } = await sdk.uploadBuffer(bytes, key);
      assert.equal(data.Hash, await cidOf([bytes]));
      const back = Buffer.from(await (await fetch(`${stack.url}/ipfs/${data.Hash}`)).arrayBuffer());
      assert.ok(back.equals(bytes));
    });
  }
});

describe('both ways, file by file', { timeout: 120_000 }, () => {
  const keys = (words, input = '') => execFileSync(process.env.HEALTHSYNC_KEYS, words, { input, encoding: 'utf8' }).trim();
  let folder;
  before(async () => { folder = await mkdtemp(path.join(tmpdir(), 'lighthouse-')); });
  after(() => rm(folder, { recursive: true, force: true }));

  it('any three of our five shares are a key to the client, and the reverse', async () => {
    const triples = [0, 1, 2, 3, 4].flatMap((a) => [0, 1, 2, 3, 4].flatMap((b) => [0, 1, 2, 3, 4].map((c) => [a, b, c]))).filter(([a, b, c]) => a < b && b < c);
    assert.equal(triples.length, 10);
    const ours = JSON.parse(keys(['generate']));
    const theirs = await kavach.generate();
    for (const triple of triples) {
      const { masterKey, error } = await kavach.recoverKey(triple.map((i) => ours.keyShards[i]));
      assert.deepEqual([masterKey, error], [ours.masterKey, null]);
      assert.equal(keys(['recover'], JSON.stringify(triple.map((i) => theirs.keyShards[i]))), theirs.masterKey);
    }
  });

  for (const size of [0, 1, 15, 16, 17, 1_000_003]) {
    it(`a file of ${size} bytes opens on the other side`, async () => {
      const [plain, from, to] = [randomBytes(size), path.join(folder, 'in'), path.join(folder, 'out')];
      const { masterKey } = await kavach.generate();
      await writeFile(from, plain);
      keys(['encrypt', masterKey, from, to]);
      assert.deepEqual(Buffer.from(await cipher.decryptFile(await readFile(to), masterKey)), plain);
      await writeFile(from, await cipher.encryptFile(plain, masterKey));
      keys(['decrypt', masterKey, from, to]);
      assert.deepEqual(await readFile(to), plain);
      const broken = await readFile(from);
      broken[broken.length - 1] ^= 1;
      await writeFile(from, broken);
      assert.throws(() => keys(['decrypt', masterKey, from, to]));
    });
  }
});
