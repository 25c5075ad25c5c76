// The port of a server that listens on one.

/** @param {import('node:net').Server} server one that listens on a port, not on a socket of the file system */
export const portOf = (server) => /** @type {import('node:net').AddressInfo} */ (server.address()).port;
