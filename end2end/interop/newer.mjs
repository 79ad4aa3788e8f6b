// js-libp2p is written for Node 22; this is what it needs of that and Node 20 lacks.
import { WebSocket } from 'ws';

globalThis.WebSocket ??= WebSocket;
Promise.withResolvers ??= function withResolvers() {
  const parts = {};
  parts.promise = new this((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
