// What MetaMask's libraries expect of Node and a browser does not have.
export { Buffer } from 'buffer';
export const process = { env: {}, browser: true, nextTick: (call, ...args) => queueMicrotask(() => call(...args)) };
