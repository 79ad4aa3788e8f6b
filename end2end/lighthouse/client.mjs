// Lighthouse's own client, as published, pointed at another server. Both packages keep their addresses in objects that
// are read at call time, so nothing of them is changed. The sdk brings a kavach of its own, an older one: it is set, too.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const fromSdk = createRequire(require.resolve('@lighthouse-web3/sdk'));

export const sdk = require('@lighthouse-web3/sdk');
export const kavach = require('@lighthouse-web3/kavach');

const { lighthouseConfig } = require('@lighthouse-web3/sdk/dist/lighthouse.config');
const kavachConfigs = [require, fromSdk].map((from) => from('@lighthouse-web3/kavach/dist/config').default);

/** Makes every later call go to `url`. */
export function pointAt(url) {
  for (const name of ['lighthouseAPI', 'lighthouseNode', 'lighthouseGateway', 'lighthouseBLSNode']) lighthouseConfig[name] = url;
  for (const config of kavachConfigs) Object.assign(config, { lighthouseAuthNode: url, lighthouseBLSNode: url });
}

/** The client rests a second after every call to a node. Tests need not; returns what makes it rest again. */
export function withoutRests() {
  const real = globalThis.setTimeout;
  globalThis.setTimeout = (work, ms, ...rest) => real(work, ms === 1000 ? 0 : ms, ...rest);
  return () => { globalThis.setTimeout = real; };
}

/** A fresh proof of an account's address, good for one operation. */
export async function prove(account) {
  const { data } = await sdk.getAuthMessage(account.address);
  return account.signMessage({ message: data.message });
}

export async function jwt(account) {
  const { message } = await kavach.getAuthMessage(account.address);
  const { JWT, refreshToken, error } = await kavach.getJWT(account.address, await account.signMessage({ message }));
  if (error) throw new Error(error);
  return { token: JWT, refresh: refreshToken };
}

/** A key for the storage, as the documentation describes it: a text to sign, and the signature. */
export async function apiKey(account, url) {
  const message = await (await fetch(`${url}/api/auth/get_message?publicKey=${account.address}`)).json();
  const { data } = await sdk.getApiKey(account.address, await account.signMessage({ message }));
  return data.apiKey;
}

/** Content id of bytes as an IPFS implementation that is not ours computes it. */
export async function cidOf(pieces) {
  const { importer } = await import('ipfs-unixfs-importer');
  const { fixedSize } = await import('ipfs-unixfs-importer/chunker');
  const { balanced } = await import('ipfs-unixfs-importer/layout');
  const nowhere = { put: async (cid) => cid };
  const options = {
    cidVersion: 1, rawLeaves: true, reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: 262_144 }), layout: balanced({ maxChildrenPerNode: 174 }),
  };
  let last;
  for await (const entry of importer([{ content: pieces }], nowhere, options)) last = entry;
  return last.cid.toString();
}
