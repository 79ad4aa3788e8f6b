// What a package below vtk.js wants of Node's `url`, which the browser has itself.
export const { URL, URLSearchParams } = globalThis;
export const domainToASCII = (name) => new URL(`http://${name}`).hostname;
