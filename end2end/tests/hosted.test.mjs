// Key nodes of Lighthouse's kind: five processes of our own behind one host that lets Lighthouse's API through and nothing
// else: no device tokens, no sealed shares, no log, no retiring. The page signs once a visit with the wallet, asks them itself,
// and says what they are and what they cannot do.
import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { createServer, request as ask } from 'node:http';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { kavach } from '../lighthouse/client.mjs';
import { file, png } from '../lib/pictures.mjs';
import * as p from '../lib/people.mjs';
import { savedBy } from '../lib/room-keys.mjs';
import { startStack } from '../stack.mjs';

const NODES = [1, 2, 3, 4, 5];
/** Method and path of every call that the host knows. */
const KNOWN = [
  ['GET', /^\/api\/message\/0x[0-9a-fA-F]{40}$/],
  ['POST', /^\/api\/message\/get-jwt$/],
  ['PUT', /^\/api\/message\/get-jwt$/],
  ['POST', /^\/api\/setSharedKey\/[1-5]$/],
  ['PUT', /^\/api\/setSharedKey\/[1-5]$/],
  ['DELETE', /^\/api\/setSharedKey\/[1-5]$/],
  ['POST', /^\/api\/retrieveSharedKey\/[1-5]$/],
  ['PUT', /^\/api\/fileAccessConditions\/[1-5]$/],
  ['POST', /^\/api\/fileAccessConditions\/[1-5]$/],
  ['GET', /^\/api\/fileAccessConditions\/get\/\w+$/],
];

/** One host for five nodes, as Lighthouse's: `…/N` is node N, and signing in is for all of them. */
class Host {
  calls = [];
  refused = [];

  async start() {
    this.server = createServer((call, answer) => this.#take(call, answer).catch(() => answer.destroy()));
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async #take(call, answer) {
    const pieces = [];
    for await (const piece of call) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const bearer = call.headers.authorization ?? '';
    if (call.method !== 'OPTIONS') {
      const { method, url, headers } = call;
      this.calls.push({ method, url, origin: headers.origin });
      const known = KNOWN.some(([on, at]) => on === method && at.test(url))
        && /^(Bearer (jwt:|0x).*)?$/.test(bearer) && !/sealTo/.test(body);
      if (!known) {
        this.refused.push(`${method} ${url} ${bearer.slice(0, 20)}`);
        answer.writeHead(400, { 'content-type': 'application/json', 'access-control-allow-origin': '*' });
        return answer.end(JSON.stringify({ message: 'Not known here' }));
      }
    }
    const node = Number(call.url.match(/\/([1-5])$/)?.[1] ?? 1);
    const headers = { ...call.headers, host: `127.0.0.1:${this.port(node)}` };
    const passed = ask({ host: '127.0.0.1', port: this.port(node), method: call.method, path: call.url, headers });
    passed.end(body);
    const [said] = await once(passed, 'response');
    answer.writeHead(said.statusCode, said.headers);
    said.pipe(answer);
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('key nodes of Lighthouse\'s kind', { timeout: 600_000 }, () => {
  let stack, browser, host, ada, ben, cleo, eve, room;
  const keys = { ada: generatePrivateKey(), ben: generatePrivateKey() };
  const at = (me, name) => me.page.getByTestId(name);
  const signatures = (me) => me.wallet.log.filter((method) => method === 'personal_sign').length;
  const agree = (me) => at(me, 'sign-again').click();
  const toast = (me, text) => at(me, 'toast').filter({ hasText: text }).first().waitFor();
  const kept = (me) => me.page.evaluate(() => JSON.parse(Object.entries(sessionStorage).find(([key]) => key.startsWith('healthsync-key-nodes/'))[1]));
  const keep = (me, change) => me.page.evaluate((change) => {
    const [key, text] = Object.entries(sessionStorage).find(([key]) => key.startsWith('healthsync-key-nodes/'));
    const [person, tokens] = JSON.parse(text);
    sessionStorage.setItem(key, JSON.stringify([person, { ...tokens, ...change }]));
  }, change);
  const call = (method, url, bearer, body) => fetch(host.url + url, {
    method, headers: { 'content-type': 'application/json', ...(bearer && { authorization: `Bearer ${bearer}` }) }, body: JSON.stringify(body),
  });
  /** What each node says to this token. */
  const asked = async (address, token, cid) => Promise.all(NODES.map(async (n) => {
    const answer = await call('POST', `/api/retrieveSharedKey/${n}`, token, { address, cid, dynamicData: {} });
    const { payload, message } = await answer.json();
    return payload ? 'share' : message?.message?.message ?? message;
  }));
  const signIn = async (account) => {
    const [{ message }] = await (await fetch(`${host.url}/api/message/${account.address}`)).json();
    const signature = await account.signMessage({ message });
    return (await (await call('POST', '/api/message/get-jwt', undefined, { address: account.address, signature, chain: 'ALL' })).json()).token;
  };
  const saved = (work) => savedBy(ada, /\/api\/setSharedKey\/\d$/, work);

  before(async () => {
    host = await new Host().start();
    stack = await startStack({ env: { HEALTHSYNC_KEY_NODES: `lighthouse+${host.url}` } });
    host.port = (n) => stack.keyNode(n).port;
    const folder = (n) => path.join(stack.dataDir, '..', `key-node-${n}`);
    await stack.startKeyNode(1);
    for (const n of NODES.slice(1)) {
      // One sign-in for all five: they know each other's tokens.
      await mkdir(folder(n), { mode: 0o700 });
      await copyFile(path.join(folder(1), 'identity.key'), path.join(folder(n), 'identity.key'));
      await stack.startKeyNode(n);
    }
    browser = await p.launch();
    [ada, ben, cleo, eve] = await Promise.all([
      p.person(browser, stack, { key: keys.ada }), p.person(browser, stack, { key: keys.ben }), p.person(browser, stack), p.person(browser, stack),
    ]);
    for (const me of [ada, ben, cleo, eve]) await p.connect(me);
  });
  after(async () => {
    await browser?.close();
    host?.stop();
    await stack?.stop();
  });

  it('starts without nodes of its own, and tells the page the kind', async () => {
    const { hosted, key_nodes: nodes } = await (await fetch(`${stack.url}/api/bootstrap`)).json();
    assert.equal(hosted, host.url);
    assert.deepEqual(nodes.map(({ embedded, url }) => [embedded, url]), NODES.map(() => [false, host.url]));
    assert.deepEqual((await readdir(stack.dataDir)).filter((name) => name.startsWith('key-node')), []);
  });

  it('explains the one signature before the wallet opens, and says whose the nodes are', async () => {
    await p.open(ada, '/rooms/new');
    await ada.page.getByText('All five key nodes are paths of one host').filter({ visible: true }).first().waitFor();
    await at(ada, 'room-name').fill('Hosted keys');
    await at(ada, 'create-room').click();
    await ada.page.getByText('once in each visit').waitFor();
    assert.equal(signatures(ada), 0);
    await agree(ada);
    await ada.page.waitForURL(/\/rooms\/0x[0-9a-f]{64}$/);
    room = new URL(ada.page.url()).pathname;
    await p.addMember(ada, ben.address);
    await p.addMember(ada, cleo.address);
    assert.equal(signatures(ada), 1);
  });

  let cid;

  it('shares an image with conditions in their language, and the other person unlocks it', async () => {
    [cid] = await saved(() => p.share(ada, 'Hosted', [file('a.png', png({ seed: 1 }))]));
    const rules = await (await fetch(`${host.url}/api/fileAccessConditions/get/${cid}`)).json();
    assert.equal(rules.owner.toLowerCase(), ada.address.toLowerCase());
    assert.deepEqual(rules.conditions.map(({ chain, method, parameters }) => [chain, method, parameters]),
      [['Local chain', 'isAllowed', [room.split('/').pop(), ':userAddress']]]);
    await Promise.all([p.enterRoom(ben, room), agree(ben)]);
    await p.unlock(ben);
    assert.deepEqual([signatures(ada), signatures(ben)], [1, 1]);
  });

  it('asks for nothing after a reload, nor when the token has ended', async () => {
    await p.enterRoom(ben, room);
    await p.unlock(ben);
    const [, before] = await kept(ben);
    await keep(ben, { token: 'jwt:ended' });
    await p.enterRoom(ben, room);
    await p.unlock(ben);
    const [, now] = await kept(ben);
    assert.ok(now.token !== before.token && now.token !== 'jwt:ended' && now.refreshToken !== before.refreshToken);
    assert.equal(signatures(ben), 1);
  });

  it('asks again when nothing renews it', async () => {
    await keep(ben, { token: 'jwt:ended', refreshToken: 'r:ended' });
    await p.enterRoom(ben, room);
    await at(ben, 'unlock').click();
    await agree(ben);
    await p.picture(ben);
    assert.equal(signatures(ben), 2);
  });

  it('does not insist when somebody would not sign now, says what is missing, and asks when they try again', async () => {
    await p.open(cleo, room);
    await cleo.page.getByRole('button', { name: 'Not now' }).click();
    await at(cleo, 'error').filter({ hasText: 'your signature is missing' }).first().waitFor();
    assert.equal(signatures(cleo), 0);
    await Promise.all([p.enterRoom(cleo, room), agree(cleo)]);
    await p.unlock(cleo);
    assert.equal(signatures(cleo), 1);
  });

  it('refuses somebody who is not in the room, in the page and at every node', async () => {
    await p.open(eve, room);
    await at(eve, 'error').filter({ hasText: /list/ }).first().waitFor();
    const account = privateKeyToAccount(generatePrivateKey());
    assert.deepEqual(await asked(account.address, await signIn(account), cid), NODES.map(() => 'Access Denied'));
  });

  it('names a node that is down and one that lies', async () => {
    const owner = privateKeyToAccount(keys.ada);
    const { keyShards: [payload] } = await kavach.generate();
    const lied = await call('POST', '/api/setSharedKey/4', await signIn(owner), { address: owner.address, cid, payload });
    assert.equal(lied.status, 200);
    await p.enterRoom(ben, room);
    await p.unlock(ben);
    await ben.page.getByText('a key share was wrong').first().waitFor();
    await ben.page.getByText('Node 4 at 127.0.0.1').first().waitFor();
    await stack.killKeyNode(5);
    await p.enterRoom(cleo, room);
    await Promise.all([p.unlock(cleo), toast(cleo, 'Node 5 at 127.0.0.1')]);
    await stack.startKeyNode(5);
  });

  it('says that there is no record of readers, and gives a new key all the same', async () => {
    await p.enterRoom(ada, room);
    await at(ada, 'readers').locator('summary').click();
    await at(ada, 'readers').filter({ hasText: 'keep no record' }).waitFor();
    const [, { token }] = await kept(ben);
    assert.deepEqual((await asked(ben.address, token, cid))[0], 'share');
    const [renewed] = await saved(async () => {
      await at(ada, 'new-key').click();
      await at(cleo, 'renewed').waitFor();
    });
    assert.ok(renewed && renewed !== cid);
    while ((await asked(ben.address, token, cid)).some((said) => said !== 'Access Denied')) await pause(100);
    assert.deepEqual(await asked(ben.address, token, renewed), NODES.map(() => 'share'));
    cid = renewed;
    await p.enterRoom(ben, room);
    await p.unlock(ben);
    assert.deepEqual([ada, ben, cleo].map(signatures), [1, 2, 1]);
  });

  it('refuses who was removed, token or not, and the room goes on under a new key', async () => {
    const [, { token }] = await kept(ben);
    await p.member(ada, ben.address).getByTestId('member-remove').click();
    await at(ben, 'error').filter({ hasText: /list/ }).first().waitFor();
    assert.deepEqual(await asked(ben.address, token, cid), NODES.map(() => 'Access Denied'));
    await p.say(ada, 'without ben');
    await p.message(cleo, 'without ben').waitFor();
    assert.deepEqual([ada, cleo].map(signatures), [1, 1]);
  });

  it('called nothing but Lighthouse\'s API, from the page itself', () => {
    assert.deepEqual(host.refused, []);
    const shares = host.calls.filter(({ url, origin }) => url.includes('retrieve') && origin);
    assert.ok(shares.length > 20);
    assert.deepEqual([...new Set(shares.map(({ origin }) => origin))], [stack.url]);
  });

  it('goes through the server where the operator wants that, and says so', async () => {
    await stack.restartServer({ HEALTHSYNC_KEY_NODES_THROUGH_SERVER: 'true' });
    host.calls = [];
    await p.enterRoom(cleo, room);
    await cleo.page.getByText('asked through this server').filter({ visible: true }).first().waitFor();
    await p.unlock(cleo);
    const shares = host.calls.filter(({ url }) => url.includes('retrieve'));
    assert.ok(shares.length >= 3);
    assert.deepEqual(shares.filter(({ origin }) => origin), []);
    assert.deepEqual(host.refused, []);
    const foreign = await fetch(`${stack.url}/lighthouse/api/retrieveSharedKey/1`, { method: 'POST', headers: { origin: 'https://else.example' }, body: '{}' });
    assert.equal(foreign.status, 403);
  });

  it('broke nothing behind the scenes', () => p.clean(ada, ben, cleo, eve));
});
