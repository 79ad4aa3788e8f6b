// A local chain for tests: anvil on a free port, with cancun's rules as FEVM has them. It ends with
// `stop()` or with the process that started it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export async function startAnvil({ chainId = 31337, args = [] } = {}) {
  const program = process.env.ANVIL ?? fileURLToPath(new URL('../node_modules/.bin/anvil', import.meta.url));
  const child = spawn(program, ['--port', '0', '--chain-id', String(chainId), '--hardfork', 'cancun', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => child.kill();
  process.once('exit', end);

  const port = await new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code) => fail(new Error(`anvil ended with ${code} before it listened`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const listening = /^Listening on .*:(\d+)$/.exec(line);
      if (listening) done(listening[1]);
    });
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    chainId,
    async rpc(method, params = []) {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      const { result, error } = await response.json();
      if (error) throw new Error(`${method}: ${error.message}`);
      return result;
    },
    stop() {
      process.off('exit', end);
      return new Promise((done) => {
        child.once('exit', done);
        child.kill();
      });
    },
  };
}
