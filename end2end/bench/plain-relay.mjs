// The peer beside us: a plain WebSocket broadcast server and a page that shows what it gets. No encryption, no
// signatures, no storage: what the browser and the machine cost anyway.
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const PAGE = `<!doctype html><meta charset="utf-8"><title>plain</title><ol id="list"></ol><script>
const list = document.getElementById('list');
const socket = new WebSocket(location.href.replace('http', 'ws'));
socket.onopen = () => { document.documentElement.dataset.live = ''; };
socket.onmessage = (e) => { const li = document.createElement('li'); li.textContent = e.data; li.dataset.testid = 'message'; list.append(li); };
window.say = (text) => socket.send(text);
</script>`;

export async function startPlainRelay() {
  const server = createServer((_, res) => res.setHeader('content-type', 'text/html').end(PAGE));
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => {
    for (const other of sockets.clients) other.send(String(data));
  }));
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return { url: `http://127.0.0.1:${server.address().port}/`, stop: () => { sockets.close(); server.closeAllConnections(); server.close(); } };
}
