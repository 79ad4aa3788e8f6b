// What a block explorer needs to show that the code on chain is these sources: the compiler's standard JSON input.
import { readFileSync } from 'node:fs';

const home = new URL('..', import.meta.url);

/** The input that compiles to the artifact's bytecode, byte for byte. */
export function verificationInput(artifact) {
  const sources = Object.fromEntries(
    artifact.sources.map((path) => [path, { content: readFileSync(new URL(path, home), 'utf8') }]),
  );
  const selection = { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } };
  return { language: 'Solidity', sources, settings: { ...artifact.settings, outputSelection: selection } };
}
