// The part of the test wallet inside a page: the provider that MetaMask injects, on a stream whose other
// end is the test. `__WALLET__` is put in front of this bundle by index.mjs.
import { initializeProvider } from '@metamask/providers';
import { Duplex } from 'readable-stream';

const { binding, receiver, info } = __WALLET__;
// Answers to an earlier document of the same frame must not be taken for answers to this one.
const session = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());

const stream = new Duplex({
  objectMode: true,
  read() {},
  write(message, _encoding, done) {
    window[binding](JSON.stringify({ session, message }));
    done();
  },
});
Object.defineProperty(window, receiver, {
  value: (to, text) => { if (to === session) stream.push(JSON.parse(text)); },
});

initializeProvider({
  connectionStream: stream,
  providerInfo: info ?? undefined,
  shouldSendMetadata: false,
  shouldAnnounceCaip294: false,
});
