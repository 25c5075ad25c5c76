// The package as its users get it: packed as for the registry, and installed into a project.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../wasm/shell.js';
import { untyped } from './untyped.js';

const INSTALL_MILLISECONDS = 240_000;

/**
 * Packs the package as it is built.
 * @param {string} folder where to
 * @returns {{ tarball: string, files: string[], bytes: number, unpackedBytes: number }} `files`: paths in it
 */
export function packPackage(folder) {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`'npm ${args.join(' ')}' failed: ${stderr}`);
  const [{ filename, files, size, unpackedSize }] = JSON.parse(stdout);
  const paths = files.map((/** @type {{ path: string }} */ { path }) => path);
  return { tarball: join(folder, filename), files: paths, bytes: size, unpackedBytes: unpackedSize };
}

/**
 * Makes a project with the package in it, beside the tarball.
 * @param {string} tarball as packPackage() gives it
 * @param {{ packages?: Record<string, string>, files?: Record<string, string> }} [project] `packages`: others that it
 *   needs, each with its version
 * @returns {{ folder: string, problem: string | null }} `problem`: why npm could not install what was asked for
 */
export function createProject(tarball, { packages = {}, files = {} } = {}) {
  const folder = mkdtempSync(join(dirname(tarball), 'project-'));
  const dependencies = { ...packages, 'nibble-llm': `file:${tarball}` };
  const facts = { name: 'a-project-of-a-user', private: true, type: 'module', dependencies };
  const all = { 'package.json': JSON.stringify(facts), ...files };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const args = ['install', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: folder, encoding: 'utf8', timeout: INSTALL_MILLISECONDS };
  const { status, stderr } = spawnSync('npm', args, untyped(options));
  const names = Object.keys(packages).join(', ') || 'the package';
  return { folder, problem: status === 0 ? null : `npm could not install ${names}: ${stderr.trim().slice(-500)}` };
}

/**
 * Unpacks the package where a project looks for it, without what it depends on.
 * @param {string} folder
 * @param {string} tarball
 */
export function unpackInto(folder, tarball) {
  const place = join(folder, 'node_modules/nibble-llm');
  mkdirSync(place, { recursive: true });
  const { status, stderr } = spawnSync('tar', ['-xzf', tarball, '-C', place, '--strip-components=1'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The package could not be unpacked: ${stderr}`);
}
