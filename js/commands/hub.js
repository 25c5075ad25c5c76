// Hugging Face's hub for a command: which file of a repository is taken, and who is told the access token of the environment,
// which the library reads.
import { existsSync } from 'node:fs';
import { listRepository, probeSpeed, readHubAddress } from '../index.node.js';
import { bytes, columns } from './units.js';

/** @param {string} text @returns {import('../index.node.js').HubAddress | null} null: it is no address of the hub, or a path that is there */
export const hubAddressOf = (text) => (existsSync(text) ? null : readHubAddress(text));

/**
 * Which server is told the access token of the environment; null: none, or what is there is no token, as the library says.
 * @param {string} text an address, or the id of a stored model
 * @param {NodeJS.ProcessEnv} [environment]
 * @returns {string | null} its origin
 */
export function tokenReader(text, { HF_ENDPOINT, HF_TOKEN: token } = process.env) {
  const address = text.replace(/^url:/, '');
  const place = hubAddressOf(address)?.page;
  if (!token || place === undefined) return null;
  try {
    readHubAddress(address, { hub: { ...(HF_ENDPOINT && { url: HF_ENDPOINT }), token: token.trim() } });
    return new URL(place).origin;
  } catch {
    return null;
  }
}

/**
 * The files of a repository, and the one for this machine, which is measured for that.
 * @param {string} text
 * @param {AbortSignal} signal
 * @param {{ memory?: number, headers?: [name: string, value: string][] }} [how] memory: bytes that may be taken, other than what the machine is likely to spare
 */
export async function listMeasured(text, signal, how) {
  const probe = await probeSpeed({ signal });
  return listRepository(text, { probe, ...how, signal });
}

/**
 * The address of the file to take of a repository, said to whoever waits for it.
 * @param {string} text an address of the hub that names neither a file nor a type
 * @param {import('./terminal.js').Terminal} terminal
 * @param {Parameters<typeof listMeasured>[2]} [how] as listMeasured() takes it
 * @returns {Promise<string>} the address itself where none is to be had: whoever loads it says why
 */
export async function recommendedOf(text, terminal, how) {
  const { repository, revision, files, recommended } = await listMeasured(text, terminal.interrupted, how);
  if (recommended === null) return text;
  const { path, url } = recommended;
  const others = files.filter(({ problem }) => problem === null).length - 1;
  const more = others === 0 ? '' : `, of ${others + 1} files ("nibble info ${text}" lists them)`;
  terminal.note(`${repository}: takes ${path}, ${bytes(recommended.bytes)}, for this machine${more}.`);
  // By its name the hub is asked for its checksum too, and it is found again by the name that the repository has here.
  const name = `${hubAddressOf(text)?.repository ?? repository}:${path}`;
  return revision === 'main' && readHubAddress(name)?.type === path ? name : url;
}

/** A repository's files as a table. @param {import('../index.node.js').Repository} listing */
export function listingPage({ repository, page, isGated, files, recommended }) {
  const rows = files.map((file) => [
    file === recommended ? '*' : '',
    file.type ?? '',
    bytes(file.bytes),
    bytes(file.memoryBytes),
    file.tokensPerSecond === null ? '' : file.tokensPerSecond.toPrecision(2),
    file.path,
    remarkOn(file),
  ]);
  const title = [['repository', repository]];
  if (isGated) title.push(['gated', `accept its licence at ${page}, and put an access token into HF_TOKEN`]);
  const way =
    recommended === null
      ? 'None of them is for this machine.'
      : `* the one for this machine: nibble chat ${repository}`;
  const table = columns([['', 'TYPE', 'SIZE', 'MEMORY', 'TOK/S', 'FILE', ''], ...rows], [2, 3, 4]);
  return `${columns(title)}\n\n${table}\n\n${way}\n`;
}

/** @param {import('../index.node.js').HubFile} file */
function remarkOn({ problem, fits, parts }) {
  if (problem !== null) return problem.kind === 'part' ? 'some of its parts are missing' : notAlone(problem.message);
  const remarks = [parts > 1 && `in ${parts} parts`, !fits && 'too large for this machine'];
  return remarks.filter(Boolean).join(', ');
}

/** @param {string} message */
const notAlone = (message) => message.replace(/^"[^"]*" is /, '').replace(/, (which|and no).*$|\. .*$/s, '');
