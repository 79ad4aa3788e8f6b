// One grey image of 32 × 32, 12 bits, in the syntaxes whose decoders are not small. The codestreams were written by the
// encoders of Cornerstone3D's codecs (OpenJPEG 2.5.4, OpenJPH 0.31.0, CharLS), losslessly.
import { encapsulated } from './dicom.mjs';

const SIZE = 32;
const picture = { columns: SIZE, rows: SIZE, bits: 12, signed: false };

/** The value at a column and row. */
const value = (x, y) => (x * 97 + y * 53 + ((x * y) % 17)) % 4096;

/** Run-length encoding as DICOM has it: a segment for the high bytes and one for the low ones, here of literal runs only. */
function rle() {
  const plane = (byte) => {
    const runs = [];
    for (let y = 0; y < SIZE; y++) {
      runs.push(SIZE - 1);
      for (let x = 0; x < SIZE; x++) runs.push((value(x, y) >> (8 * byte)) & 0xff);
    }
    return Buffer.from(runs);
  };
  const [high, low] = [plane(1), plane(0)];
  const head = Buffer.alloc(64);
  [2, 64, 64 + high.length].forEach((word, at) => head.writeUInt32LE(word, at * 4));
  return Buffer.concat([head, high, low]);
}

const STREAMS = {
  'JPEG 2000': ['4.90', Buffer.from(
    '/0//UQApAAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABCwEB/1IADAACAAEAAwQEAAH/XAANQGBoaHBoaHBoaHD/ZAAlAAFDcmVhdGVkIGJ5' +
    'IE9wZW5KUEVHIHZlcnNpb24gMi41LjT/kAAKAAAAAALjAAH/k8/kaBEeiykyvVQnmm0kobTQUwd9Uj93rar16V5kx/IjA/APj/AgJKpm3spuk/aJMoFp0WUn' +
    'Mj8Da+Pll8gWeypikkj15CEktqz+tLtMJzC1pHxcPf6n3/gBnB+ZnH+DQGCnsFD4OUoTdCUETIJVqp4B/1+kHVtQ/WAseox1wKlNGwRG6OA/Q6dxc57zfB8Q' +
    'u0/oe1upMMQWvcH43HF6t5zWr2hHVHBghtp1sRmfiimIvnx5Hi/PgjtrdZdl4X7mLALqJ5PTi11D75ugbZOlSxuBU7zsxiqzyfHD0JmkiivksCW3xKC8Y+OL' +
    'vcpqimrlK8VDHqVILMPieb3P8UcfzUsf4iichlzAqq8h4luochF1KOvftdRyWA2ZmtJPP5DHuMFj7sE3uUyHzOpm/ShOzRyx87nXKcbgTokz9ISxIYrNdd6Q' +
    'LL0LSgoLtHHLPksV+diryG6bfux/Nl6NeafGqDlCCAFIaRTwmffABW92puTAT6YB7ojguzPSm+S9Zt7nrItXTheoTvkFk/wv6eM4RuRazobxUEZUz/F6zufE' +
    'Xhd+vzELM3f9q6dCZ37IwAwg7sLpmV19HK1fyHZJtoyQosyDEOBZVKKGb4JAWOgcMIarvaTz8MXcVIbpvr48tcHYQE6VEfARkeUSTQXFpGU2j7iVKKN4Pjs8' +
    'EzSpQQwBkxrRaN7I4wDDkIweZc7qiF8mjFQlBmIWi9GgZ9WQBybotWnVOl0yHkzitxiNGv3eyG8TgS+PDIgBkFGk+eh3U+5pqFa36rUe0Le90QuVm4nBl5+U' +
    'S4Z6VZvh1paOWPRYKRBLEVEWWGmgMavmSwiaxSdiqkzJ5+faLwfWBoYaVjDGUItbwup8lhhTAbwda1NXZdIV5WvFkOgDRZSUiBnHKGwjs+MqkOW8Ax4IYKza' +
    'ST6InCS58Qg72TgYEQ//LePR1KL/YNsYDES6eWxiwOrqWcQ9zxBg6M6X/9k=', 'base64')],
  HTJ2K: ['4.201', Buffer.from(
    '/0//UQApQAAAAAAgAAAAIAAAAAAAAAAAAAAAIAAAACAAAAAAAAAAAAABCwEB/1AACAACAAAABv9SAAwAAgABAAMEBEAB/1wADSBocHBwcHBwaGho/2QAFwAB' +
    'T3BlbkpQSCBWZXIgMC4zMS4wLv+QAAoAAAAAAygAAf+TwALd/f9J3yl0831gLOdTEtszRjBLzgrC1inUjIAnNwDAAWpAAWnAAWiAMhMIsCsXkAGZYGbN/kJk' +
    'HIJZlwCCKCSQCxDPIEdy+0BjAhFsiHgAAvAYa0MBcsOpWvQUZe4kdgDAAXcQAF2kABdslIC5khiwRSWEAA4EAQBbWwcFQPmEgQ3WcYEQBwDAcmgEbZYJbM0A' +
    'AThuE+pCoC87XGkIpuZ0UgGiWJCZAAiQIyholVQ0EYimALABBEZ6AblADm+AJ8gqXgVpHNahBAFrkFInE4gf0NBuwFIBQY+YLjNwMZFMNPCxkRUqr8K9D+AJ' +
    'Spg/m5NhgEXEu/j9sT/Wy0EipWWohSNGqQYaj3RZJzEBwAL6xgAX1fAAvqEwyYgdCsBEJhye6AT6PxyDWIxiASSCLHw/pGntn8sHAUMaTBVAwnko6ifBf2il' +
    '5xcC2uaBaMhuMAUAPmEE+cdZxQ/mCsUH4F8z0/ThlzUYAI4X/1ulTgA4EP7xvg9iTbQAoLUWIgej89GgKUDwu78DhAEOgBeE4aAMvV85AdB9RfluT0r0ISUt' +
    'IsuwWEkDr5Icxaabb/rgYw4h52NV5UE/s4ucLwiWRjgFnmivqKRvegMUWFFIAEcozhkUiox4P78QoRtBFkhSngmRYvlOCmIADrWXMGAVU86zM+Lzfv76+N1/' +
    'ePx9j4GJ62iWR51KnQIoWECARyEGEtJjQtQH9Oe//gB4oAGgBbaCLixENxKO8AYmoB6y9j2AcB8X4iPjADX+gIchgFB5LYIQgAm4WN62jJgj4xhjgu0V+9H1' +
    'akx37ZceP5SPlMadlKYTfDdl95JJ33c1bFmujrROlmtI018DiBD6/T/8hxBcPPY1+AK8UGgcdBcAjC8E87+LwytEjCfaAUR4zz/eE/9nAP9D+IfvEV/AwwDz' +
    'e38IODHCcEO4bw/wIAiAQPdhwPs9gANcCL2H370TwwvbDwIeEARAAAD+s5oWo8Od45pcn34w+8PmF2PzPdLUWh8fQ3/kg+cdp3/55p8ynnxseHnzE6a4svd1' +
    'fVU+3PV+fR3vlJU/x1HPcQT/2Q==', 'base64')],
  'JPEG-LS': ['4.80', Buffer.from(
    '/9j/9wALDAAgACABAREA/9oACAEBAAAAAIQRBX4gr9ertcrdarNYq9WqtUqdSqNQp9OptMpdKpNIo9GotqbGxsbGxsbGxsbGxsbGwkIjmUFBQUFBQUFBQUFB' +
    'QUCM1du3bt27dvFatYtWrl69gxYsmbNo0apUqZOocTRa88+QQRSKFCqiqy67DLTbbieWNAiRRSMDNdhllbtx1LHCigikmoq55BFRRbN6vRXmTGuJoJf2wxer' +
    '0YSpbGlfII9WYzdxcYqWZ1xNBLu2L1eYISpRvXFUEP8sZu+MEqWwvzyKXdsXrOYrOQexxJTViPWF6s5CmGkEmNT+3MVnIUo1xJTV+rLlDeEqNcSU05IrRzBF' +
    'DeEqNcSU05IpUWqzOQo1xJTVp/ZiszkKNIJMav1JYrO4SxxZT1iE/cxWdwljiyntEJUFaKGoUe4glpy/GLlzFDUKPcQS05fuCpWcJUwskoxaRW3MVnCVMLJK' +
    'MWkUmKVZnCWMcS9ohP7MVmcJYxxL2iEpShFZyDzSSjDFp/bmKzkHmklGGLSkJ0VnIUxxL2rT+zFZnIUxxL2rSjJgSNFiTyyXtWnbmKwWJPNJe1af25REpCmO' +
    'IKMOOEChQwc+Pi1WchTHOIKMOEMiRMVnIUwsl7Vp25is5CFMLJetKAjRWcg80sgoxaf25is5B5pZBRi0/kSKzhKmOJe05P7cxWcJUxxL2nJ+IUVgtCjSyCmr' +
    'EftzFYLQo0sopqyHgQIoahRriCWnJ8YqXMUNQo9ziXnL3xN/RWcJYwsh7RCf25is4SxhZD1vpu9fKzkIUa4kpq07cxWchCjXElK8JPj1A/hajXElNOSK8cqT' +
    'A/hajXElNd1gK7eKzuQo1xJTVp25is5CFGuJc8K/6dqzuEscWU9YhP7MVmcJYwspPWRyeXSKG8g9jiXmLSKULmKGoQe5yXEYtKlyisFoUaWUU1Yj9uYrBalG' +
    'kta0WkVu4VnIEsc4l6xCduYrOQJY5n/esR+w/9k=', 'base64')],
  RLE: ['5', rle()],
};

/** `{ name: DICOM file }`, all of the same image. */
export const codestreams = Object.fromEntries(Object.entries(STREAMS).map(([name, [syntax, stream]]) => [
  name, encapsulated({ ...picture, syntax: `1.2.840.10008.1.2.${syntax}`, stream }),
]));

/** What all of them decode to, row by row. */
export const decoded = Array.from({ length: SIZE * SIZE }, (_, at) => value(at % SIZE, Math.floor(at / SIZE)));
