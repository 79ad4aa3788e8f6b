// The file cipher of Lighthouse's client: not among its exports, but a module of its package like any other.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const cipher = require('@lighthouse-web3/sdk/dist/Lighthouse/uploadEncrypted/encryptionNode');
