// The networks that contracts are deployed to by name, each with the factory that gives its addresses. A factory
// takes a salt and init code and runs CREATE2, so an address follows from the code alone, whoever sends it.
export const LOCAL_FACTORY = '0x4e59b44847b379578588920cA78FbF26c0B4956C';
const SINGLETON_FACTORY = '0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7';

const fil = (symbol) => ({ name: symbol, symbol, decimals: 18 });

export const NETWORKS = {
  local: {
    chainId: 31337, rpc: 'http://127.0.0.1:8545', factory: LOCAL_FACTORY,
    currency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  },
  calibration: {
    chainId: 314159, rpc: 'https://api.calibration.node.glif.io/rpc/v1', factory: SINGLETON_FACTORY, currency: fil('tFIL'),
  },
  filecoin: {
    chainId: 314, rpc: 'https://api.node.glif.io/rpc/v1', factory: SINGLETON_FACTORY, currency: fil('FIL'),
  },
};
