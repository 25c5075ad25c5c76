// The declarations in the packed package, as strict TypeScript projects with either way of resolving modules see them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { ROOT } from '../../wasm/shell.js';
import { packPackage, unpackInto } from '../package.js';
import { temporaryFolder } from '../small-model.js';

const PROGRAM = `
import { createEngine, describeModel, ERROR_CODES, estimateSpeed, listRepository, NibbleError, openModelStore, probeSpeed, readHubAddress } from 'nibble-llm';
import type { CompletionOptions, CompletionResult, Engine, EngineOptions, ErrorCode, HubFile, ModelDescription, Progress, Repository, Session } from 'nibble-llm';

const options: EngineOptions = {
  model: 'model.gguf',
  store: { folder: 'models' },
  onProgress: ({ phase, loaded, total, fraction }: Progress) => console.log(phase, loaded / total, fraction),
};
const engine: Engine = await createEngine(options);
const asked: CompletionOptions = { messages: [{ role: 'user', content: 'Hello' }], temperature: 0.3 };
const completion = engine.complete(asked);
for await (const { text, token } of completion) console.log(text.length, token ?? 0);
const result: CompletionResult = await completion;
const same: CompletionResult = await completion.result;
const ended: [string, string | null, number | null, number | null] = [result.finishReason, result.stopString, same.stopToken, same.firstTokenMilliseconds];
const written: string[] = await Promise.all([engine.complete(asked), engine.session.complete(asked)].map((each) => each.then((whole) => whole.text)));
const caught: CompletionResult | null = await engine.complete(asked).catch(() => null).finally(() => {});
const speed: number = result.decode.tokensPerSecond;
const first: Session = engine.session;
await first.close();
const session: Session = await engine.createSession({ onFull: 'drop-oldest' });
const text: string = await engine.detokenize(await session.tokens());
const texts: string[] = await engine.detokenize([1], { each: true });
const description: ModelDescription = await describeModel('model.gguf');
const width: number | undefined = description.model?.width;
const models = await openModelStore();
const headers = { Authorization: 'Bearer secret' };
const signed: typeof fetch = (address, init) => fetch(address, { ...init, headers });
const access = { headers, credentials: 'include', fetch: signed } as const;
const asWho: EngineOptions = { model: 'https://example.com/model.gguf', id: 'mine', sha256: 'a'.repeat(64), ...access };
const own: Engine = await createEngine(asWho);
const header: ModelDescription = await describeModel('https://example.com/model.gguf', { headers: new Headers(headers), credentials: 'same-origin' });
const withHeaders: Repository = await listRepository('owner/name', access);
const mine: string = (await models.import('https://example.com/model.gguf', { id: 'mine', sha256: 'a'.repeat(64), ...access })).id;
const { isNewer } = await models.check(mine, access);
if (isNewer === true) await models.update(mine, { ...access, onProgress: ({ fraction }) => console.log(fraction.toFixed(2)) });
for await (const { text } of own.session.complete({ prompt: 'Hello' })) console.log(text.length);
const { finishReason }: CompletionResult = await own.session.complete({ prompt: 'Hello', signal: AbortSignal.timeout(1000) });
const { computedTokens } = await own.session.prefill([1]);
const code: ErrorCode = ERROR_CODES.STORE_FULL;
const codes: ErrorCode[] = Object.values(ERROR_CODES);
function adviceOf(error: NibbleError): string {
  switch (error.code) {
    case ERROR_CODES.DOWNLOAD_OFFLINE: return 'later';
    case 'STORE_FULL': return 'make room';
    default: return codes.includes(error.code) ? error.code : code;
  }
}
console.log(header.name, withHeaders.files.length, finishReason, computedTokens, adviceOf(new NibbleError('CANCELLED', 'A sentence.')));
for (const { id, state } of await models.list()) console.log(id.length, state === 'complete');
const listed: Repository = await listRepository('owner/name', { hub: { token: 'secret' }, probe: await probeSpeed() });
const best: HubFile | null = listed.recommended;
console.log(best?.sha256?.length, readHubAddress('owner/name:Q4_K_M')?.type?.length);
const { decodeTokensPerSecond } = estimateSpeed(await probeSpeed(), { bytesPerToken: 1, parameters: 1 });
const found: number[] = await engine.tokenize('Hello', { addSpecial: false });
const counted: number = await engine.countTokens({ messages: [{ role: 'user', content: 'Hello' }], addGenerationPrompt: false });
const { leftOut } = await engine.fitMessages([{ role: 'user', content: 'Hello' }], { maxTokens: 3 });
const chat: string = await engine.render([{ role: 'user', content: 'Hello' }], { templateVariables: { enable_thinking: false } });
const { total, wasm } = await engine.memory();
const { readRate, memory, streamed } = await engine.benchmark({ repetitions: 1 });
const { top } = await engine.evaluate(found, { top: 1 });
const scores: Float32Array = await engine.score(found, { from: 1 });
const { reusedTokens: kept } = await session.prefill(found, { onProgress: ({ tokens, total: all }) => console.log(tokens / all) });
const fork: Session = await session.fork({ keepTokens: 4 });
const left: number = await fork.truncate(1);
const { bytes } = await session.save('key');
const image: Blob = await session.export();
const restored: Session | null = await engine.restoreSession('key', { onDropped: ({ code }) => console.log(code.length) });
const imported: Session = await engine.importSession(image);
const saved: number[] = (await engine.savedSessions()).map(({ usedAt }) => usedAt);
await engine.deleteSavedSession('key');
await Promise.all([fork.close(), imported.close(), restored?.close()]);
const stored: string = (await models.import('model.gguf', { onProgress: ({ restarted, fraction }) => console.log(restarted === true, fraction) })).id;
const damaged: number[] = (await models.verify(stored, { onProgress: ({ phase }) => console.log(phase === 'read') })).damaged;
const fresh: boolean | null = (await models.check(stored)).isNewer;
await models.rename((await models.update(stored)).id, await models.idOf('model.gguf'));
const { quota } = await models.estimate();
const kept_: boolean = (await models.persist()) && (await models.persisted()) && (await models.has(stored));
const rate: number = await models.readRate(stored);
await models.delete(stored);
await models.close();
const reason: NibbleError | undefined = (await models.closed) ?? (await engine.closed);
console.log(counted, leftOut, chat, total - wasm, readRate, memory.weights, streamed?.bytes, top[0]?.p, scores.length, kept);
console.log(ended, written, caught?.text, left, bytes, saved, damaged, fresh, quota, kept_, rate, reason?.code, engine.info.threads, engine.isUnloading);
await engine.ready;
completion.stop();
try {
  await engine.unload();
} catch (error) {
  if (error instanceof NibbleError) console.log(error.code.length, error.message, speed, text, texts, width, decodeTokensPerSecond);
}

// What is wrong is found: nothing of this is \`any\`.
// @ts-expect-error
export const one: number = (await completion.result).text;
// @ts-expect-error
createEngine({ model: 'model.gguf', kvType: 'int7' });
// @ts-expect-error
createEngine({ model: 'owner/name', hub: { token: 1 } });
// @ts-expect-error
createEngine({});
// @ts-expect-error
createEngine({ model: 'model.gguf', headers: { Authorization: 1 } });
// @ts-expect-error
createEngine({ model: 'model.gguf', credentials: 'always' });
// @ts-expect-error
createEngine({ model: 'model.gguf', fetch: 'fetch' });
// @ts-expect-error
models.check();
// @ts-expect-error
export const eight: ErrorCode = 'NO_SUCH_CODE';
// @ts-expect-error
console.log(ERROR_CODES.NO_SUCH_CODE);
// @ts-expect-error
ERROR_CODES.STORE_FULL = 'CANCELLED';
// @ts-expect-error
export const two: number = engine.info.name;
// @ts-expect-error
engine.complete({ prompt: 1 });
// @ts-expect-error
engine.fork();
// @ts-expect-error
engine.session = session;
// @ts-expect-error
export const seven: string = (await engine.complete(asked)).stopToken;
// @ts-expect-error
createEngine({ model: 'model.gguf', early: true });
// @ts-expect-error
await session.sync([1]);
// @ts-expect-error
export const five: string = (await engine.memory()).total;
// @ts-expect-error
export const six: string = (await session.prefill([1])).reusedTokens;
// @ts-expect-error
export const three: string = new NibbleError('CODE', 'A sentence.').code.length;
// @ts-expect-error
export const four: number = (await models.list())[0].id;
for await (const piece of completion) {
  // @ts-expect-error
  export_(piece.token.length);
}
declare function export_(value: number): void;
`;

const ONLY_IN_NODE = `import { defaultModel } from 'nibble-llm';\nexport const address: string = defaultModel.href;\n`;

// That of today, and the one before it, which is another program.
const COMPILERS = ['typescript-7', 'typescript'].map((name) => `node_modules/${name}/bin/tsc`);

const folder = temporaryFolder();

before(() => {
  unpackInto(folder, packPackage(folder).tarball);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module', private: true }));
});

/**
 * Compiles a program and tells what the compiler says.
 * @param {string} name
 * @param {string} text
 * @param {{ module: string, moduleResolution: string }} options
 */
function compile(name, text, options) {
  const project = join(folder, name);
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, 'program.ts'), text);
  // Declarations are checked too: a project may not skip them.
  const shared = { strict: true, target: 'es2022', noEmit: true, types: [], skipLibCheck: false };
  const compilerOptions = { ...shared, lib: ['es2022', 'dom', 'dom.asynciterable'], ...options };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
  return COMPILERS.map((compiler) => {
    const args = [join(ROOT, compiler), '--project', project];
    return spawnSync(process.execPath, args, { encoding: 'utf8' }).stdout;
  }).join('');
}

const BUNDLER = { module: 'esnext', moduleResolution: 'bundler' };
const NODE = { module: 'nodenext', moduleResolution: 'nodenext' };

test('a strict program that a bundler resolves compiles, and what is wrong in it is found', () => {
  assert.equal(compile('bundler', PROGRAM, BUNDLER), '');
});

test('a strict program that Node resolves compiles, and what is wrong in it is found', () => {
  assert.equal(compile('node', PROGRAM, NODE), '');
});

test('what the package has in Node only is declared there only', () => {
  assert.equal(compile('node-only', ONLY_IN_NODE, NODE), '');
  assert.match(compile('not-in-pages', ONLY_IN_NODE, BUNDLER), /defaultModel/);
});
