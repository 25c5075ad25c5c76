// What a benchmark was run on.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The version, and in a checkout the commit. */
export function packageFacts() {
  const { version } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8'));
  return { build_commit: commit() ?? 'unknown', build_number: 0, nibble_version: version };
}

function commit() {
  if (!existsSync(`${ROOT}/.git`)) return null;
  try {
    /** @type {import('node:child_process').ExecFileSyncOptionsWithStringEncoding} */
    const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('git', ['-C', ROOT, 'rev-parse', '--short', 'HEAD'], options).trim();
  } catch {
    return null;
  }
}

export function machineFacts() {
  return {
    cpu_info: cpus()[0]?.model.trim() ?? 'unknown',
    gpu_info: '',
    backends: 'WASM',
    node: process.versions.node,
    v8: process.versions.v8,
  };
}
