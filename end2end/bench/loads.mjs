// Page after page over WebRTC: `cargo xtask bench loads`. In the published transport the server's first stream was lost in
// most page loads and came ten seconds late; here every one is to be there within a second of the navigation. Then the same
// in a browser that refuses what webrtc-direct of the first version needs, which is to make no difference.
import { loads } from '../lib/loads.mjs';
import * as p from '../lib/people.mjs';
import { startStack } from '../stack.mjs';
import { machine, ms, percentile, print, save } from './table.mjs';

const LOADS = Number(process.env.BENCH_LOADS ?? 100);
const REFUSES = ['--force-fieldtrials=WebRTC-NoSdpMangleUfrag/Enabled/'];

console.log(machine());
const stack = await startStack();
const results = {};
const rows = [[`${LOADS} page loads`, 'connected by', 'server\'s first stream p50', 'p95', 'max', 'within 1 s', 'usable p50', 'max', 'page errors']];
try {
  for (const [name, args, prefer] of [['as it is', [], 'webrtc'], ['the browser refuses a changed offer', REFUSES, 'webrtc']]) {
    const browser = await p.launch(args);
    const found = await loads(browser, stack, { count: LOADS, prefer });
    await browser.close();
    const by = Object.entries(found.transports).map(([transport, n]) => `${transport} ${n}`).join(', ');
    const soon = found.first.filter((t) => t <= 1_000).length;
    rows.push([name, by, ms(percentile(found.first, 50)), ms(percentile(found.first, 95)), ms(Math.max(...found.first)), found.transports.webrtc ? `${soon} of ${LOADS}` : '–', ms(percentile(found.usable, 50)), ms(Math.max(...found.usable)), found.errors.length]);
    results[name] = found;
  }
  print('Page loads', rows);
  await save(results);
} finally {
  await stack.stop();
}
