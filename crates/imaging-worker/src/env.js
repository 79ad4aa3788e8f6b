// What the JPEG 2000 decoder takes for granted and WebAssembly does not have: C's memory, out of the module's own
// allocator, with the size of each block in front of it.
let wasm;

/** Given the module's exports, once they are there and before anything is decoded. */
export const begin = (exports) => { wasm = exports; };

// As C promises: aligned for every type.
const ALIGNED = 16;
const sizeAt = (block) => new DataView(wasm.memory.buffer, block - ALIGNED, 4);
const sizeOf = (block) => sizeAt(block).getUint32(0, true);

export function malloc(size) {
  const block = wasm.__wbindgen_malloc(size + ALIGNED, ALIGNED) + ALIGNED;
  sizeAt(block).setUint32(0, size, true);
  return block;
}

export function calloc(count, size) {
  const block = malloc(count * size);
  new Uint8Array(wasm.memory.buffer, block, count * size).fill(0);
  return block;
}

export function realloc(block, size) {
  if (!block) return malloc(size);
  const moved = wasm.__wbindgen_realloc(block - ALIGNED, sizeOf(block) + ALIGNED, size + ALIGNED, ALIGNED) + ALIGNED;
  sizeAt(moved).setUint32(0, size, true);
  return moved;
}

export function free(block) {
  if (block) wasm.__wbindgen_free(block - ALIGNED, sizeOf(block) + ALIGNED, ALIGNED);
}

export function strcpy(to, from) {
  const bytes = new Uint8Array(wasm.memory.buffer);
  bytes.copyWithin(to, from, bytes.indexOf(0, from) + 1);
  return to;
}
