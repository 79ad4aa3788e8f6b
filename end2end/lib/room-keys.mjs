// What a browser keeps of a room, read as somebody would who has taken its profile; and what can be opened with it.
import { webcrypto } from 'node:crypto';

/** All entries of one store of this page's database whose key begins with `prefix`; bytes come as arrays of numbers. */
export const kept = (me, store, prefix) => me.page.evaluate(async ([store, prefix]) => {
  const done = (request) => new Promise((ok, bad) => { request.onsuccess = () => ok(request.result); request.onerror = () => bad(request.error); });
  const database = await done(indexedDB.open('healthsync'));
  const objects = database.transaction(store).objectStore(store);
  const range = IDBKeyRange.bound(prefix, prefix + '\uffff');
  const [keys, values] = [await done(objects.getAllKeys(range)), await done(objects.getAll(range))];
  database.close();
  const plain = (value) => (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) ? [...new Uint8Array(value.buffer ?? value)] : value;
  return keys.map((key, i) => [key, plain(values[i])]);
}, [store, prefix]);

/** Writes an entry of this page's database anew. */
export const write = (me, store, key, value) => me.page.evaluate(async ([store, key, value]) => {
  const done = (request) => new Promise((ok, bad) => { request.onsuccess = () => ok(request.result); request.onerror = () => bad(request.error); });
  const database = await done(indexedDB.open('healthsync'));
  await done(database.transaction(store, 'readwrite').objectStore(store).put(value, key));
  database.close();
}, [store, key, value]);

/** Deletes all entries of one store whose key begins with `prefix`. */
export const forget = (me, store, prefix) => me.page.evaluate(async ([store, prefix]) => {
  const done = (request) => new Promise((ok, bad) => { request.onsuccess = () => ok(request.result); request.onerror = () => bad(request.error); });
  const database = await done(indexedDB.open('healthsync'));
  const range = IDBKeyRange.bound(prefix, prefix + '\uffff');
  await done(database.transaction(store, 'readwrite').objectStore(store).delete(range));
  database.close();
}, [store, prefix]);

/** The master keys of a room by number, as this person's browser keeps them. */
export async function masters(me, room) {
  const prefix = `${me.address.toLowerCase()}/${room}`;
  const entries = await kept(me, 'room-keys', prefix);
  return new Map(entries.map(([key, bytes]) => [Number(key.slice(prefix.length + 1) || 0), Uint8Array.from(bytes)]));
}

/** The sealed events of a room that this browser keeps, with the number of the key that seals each. */
export async function envelopes(me, room) {
  const entries = await kept(me, 'envelopes', `${room}/`);
  return entries.map(([, numbers]) => {
    const bytes = Buffer.from(numbers);
    return { bytes, epoch: bytes.readUInt32BE(33) };
  });
}

/** The key made of a master key for what is sealed under `info`, the room and the number. `docs/rooms.md` has the format. */
export async function roomKey(master, info) {
  const base = await webcrypto.subtle.importKey('raw', master, 'HKDF', false, ['deriveKey']);
  return webcrypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: Buffer.from('healthsync/room-key/1'), info },
    base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
}

/** The event's text, opened with this master key; null when it does not open. */
export async function openWith(master, { bytes, epoch }) {
  const key = await roomKey(master, bytes.subarray(1, 37));
  const head = bytes.subarray(0, 77);
  const length = bytes.readUInt32BE(89);
  try {
    const plain = await webcrypto.subtle.decrypt({ name: 'AES-GCM', iv: bytes.subarray(77, 89), additionalData: head }, key, bytes.subarray(93, 93 + length));
    return { epoch, text: Buffer.from(plain).subarray(64).toString() };
  } catch {
    return null;
  }
}

/** Content ids that this person's page saves key shares for, at addresses that `where` fits, while `work` runs. */
export async function savedBy(me, where, work) {
  const cids = new Set();
  const watch = (request) => {
    if (request.method() === 'POST' && where.test(request.url())) cids.add(request.postDataJSON().cid);
  };
  me.page.on('request', watch);
  await work();
  me.page.off('request', watch);
  return [...cids];
}
