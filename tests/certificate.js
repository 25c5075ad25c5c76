// A certificate for a test's own server, signed by itself: DER written by hand, since Node makes keys and no certificates.
import { generateKeyPairSync, sign } from 'node:crypto';

const SIGNED_BY = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const COMMON_NAME = [0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES = [0x55, 0x1d, 0x11];
const CONSTRAINTS = [0x55, 0x1d, 0x13];
const DAY = 24 * 60 * 60 * 1000;

/** @param {number} tag @param {...(Uint8Array | number[])} parts */
function der(tag, ...parts) {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/** @param {...(Uint8Array | number[])} parts */
const sequence = (...parts) => der(0x30, ...parts);
/** @param {number[]} numbers */
const oid = (numbers) => der(0x06, numbers);
/** @param {number} time */
const date = (time) => der(0x17, Buffer.from(`${new Date(time).toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`));

/**
 * @param {string} host
 * @returns {{ key: string, cert: string }} PEM
 */
export function selfSigned(host) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(SIGNED_BY));
  const name = sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(host)))));
  const validity = sequence(date(Date.now() - DAY), date(Date.now() + DAY));
  const names = sequence(oid(ALTERNATIVE_NAMES), der(0x04, sequence(der(0x82, Buffer.from(host)))));
  const constraints = sequence(oid(CONSTRAINTS), der(0x01, [0xff]), der(0x04, sequence(der(0x01, [0xff]))));
  const body = sequence(
    ...[der(0xa0, der(0x02, [2])), der(0x02, [1]), algorithm, name, validity, name],
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(names, constraints)),
  );
  const signature = sign('sha256', body, privateKey);
  const bytes = sequence(body, algorithm, der(0x03, [0], signature));
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  const cert = `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  return { key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })), cert };
}
