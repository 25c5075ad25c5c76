// Every family does what sessions can do, to the last bit as a fresh engine computes it: whatever was kept, forked, cut
// back, saved and restored, and while its weights arrive. weight-stream.test.js has them streamed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createEngine } from '../../js/index.node.js';
import { logitsAfter, openCoreModel } from '../core-model.js';
import { Random } from '../random-numbers.js';
import { drawOfEach } from '../rounds.js';
import { FAMILY_MODELS } from './families.js';
import { GOLDEN_MODELS, goldenBytes } from './models.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/client/session.js').Session} Session */
/** @typedef {import('../../js/core/runtime.js').Model} Model */

const folder = mkdtempSync(join(tmpdir(), 'nibble-families-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const CONTEXT = 256;
const OPERATIONS = 30;
// Where an engine is started for each of many models, nothing is to be measured.
const KERNELS = { kernelSet: 'simd128' };

/** @param {string} name */
const familyOf = (name) => FAMILY_MODELS[name].shape.family;

/** Null for those whose keys and values are kept in another form than the family's others. @param {string} name */
function kindOf(name) {
  const { loops, ofBlocks, valueSize } = FAMILY_MODELS[name].shape;
  return loops || ofBlocks || valueSize ? null : familyOf(name);
}

const names = Object.keys(FAMILY_MODELS);
const walked = new Set(drawOfEach('families whose sessions are worked with', names, kindOf));
const compressed = new Set(drawOfEach('families in INT8 pages', names, familyOf));
const early = new Set(drawOfEach('families that are asked as they arrive', names, familyOf));

/** @param {Engine | Session} engine @param {number[]} tokens */
async function logitsOf(engine, tokens) {
  const { top } = await engine.evaluate(tokens, { top: 0 });
  const logits = new Float32Array(top.length);
  for (const { id, logit } of top) logits[id] = logit;
  return logits;
}

/** A session that random operations are done to, and what it holds. */
class Walk {
  /** @param {Engine} engine @param {Model} fresh @param {Random} random @param {number} vocabulary */
  constructor(engine, fresh, random, vocabulary) {
    this.engine = engine;
    this.fresh = fresh;
    this.random = random;
    this.vocabulary = vocabulary;
    /** @type {{ session: Session, tokens: number[] }[]} */
    this.sessions = [];
    /** @type {number[] | null} */
    this.saved = null;
    this.trunk = this.#some(CONTEXT);
  }

  /** @param {number} count */
  #some(count) {
    return Array.from({ length: count }, () => this.random.below(this.vocabulary));
  }

  /** A text that begins as others do, and goes on by itself. */
  #text() {
    const length = 2 + this.random.below(CONTEXT - 10);
    const shared = this.random.below(length);
    return [...this.trunk.slice(0, shared), ...this.#some(length - shared)];
  }

  /** @param {Session | null} session @param {number[]} tokens */
  async #add(session, tokens) {
    assert.ok(session, 'what was saved is there');
    this.sessions.push({ session, tokens });
    if (this.sessions.length > 4) await this.sessions.shift()?.session.close();
  }

  async step() {
    if (this.sessions.length === 0) return this.#add(await this.engine.createSession(), []);
    const it = this.sessions[this.random.below(this.sessions.length)];
    switch (this.random.below(7)) {
      case 0:
        return this.#add(await it.session.fork(), [...it.tokens]);
      case 1: {
        const length = await it.session.truncate(this.random.below(it.tokens.length + 1));
        it.tokens = it.tokens.slice(0, length);
        return undefined;
      }
      case 2:
        await it.session.save('walk');
        this.saved = [...it.tokens];
        return undefined;
      case 3:
        return this.saved && this.#add(await this.engine.restoreSession('walk'), [...this.saved]);
      case 4:
        return this.#add(await this.engine.importSession(await it.session.export()), [...it.tokens]);
      default:
        return this.#compare(it);
    }
  }

  /** @param {{ session: Session, tokens: number[] }} it */
  async #compare(it) {
    const grown = it.tokens.length > 0 && it.tokens.length < CONTEXT - 10 && this.random.below(2) > 0;
    const tokens = grown ? [...it.tokens, ...this.#some(1 + this.random.below(9))] : this.#text();
    const found = await logitsOf(it.session, tokens);
    it.tokens = tokens;
    assert.deepEqual(found, await logitsAfter(this.fresh, tokens), `${tokens.length} tokens`);
  }
}

for (const name of names.filter((name) => walked.has(name) || compressed.has(name) || early.has(name))) {
  describe(name, () => {
    const model = goldenBytes(name);
    const { vocabulary } = GOLDEN_MODELS[name].shape;
    /** @type {Awaited<ReturnType<typeof openCoreModel>>} */
    let core;
    before(async () => {
      core = await openCoreModel(model, { contextSize: CONTEXT });
    });
    after(() => core?.close());

    /** @param {{ batchSize: number }} options @param {number} seed */
    async function walk(options, seed) {
      const store = { folder: join(folder, `${name}-${seed}`) };
      const engine = await createEngine({ model, contextSize: CONTEXT, threads: 2, store, ...KERNELS, ...options });
      try {
        const walking = new Walk(engine, core.model, new Random(`${name} ${seed}`), vocabulary);
        for (let i = 0; i < OPERATIONS; i++) await walking.step();
      } finally {
        await engine.unload();
      }
    }

    if (walked.has(name)) test('sessions hold what a fresh engine computes', () => walk({ batchSize: 13 }, 1));

    /** @param {boolean} chosen */
    const inThose = (chosen) => (chosen ? test : () => {});

    inThose(compressed.has(name))(
      'in INT8 pages, two threads and a batch of odd size compute what one thread does',
      async () => {
        const tokens = Array.from({ length: 200 }, (_, i) => (i * 37) % vocabulary);
        const alone = await openCoreModel(model, { contextSize: CONTEXT, kvType: 'int8', batchSize: 64 });
        const engine = await createEngine({ model, contextSize: CONTEXT, kvType: 'int8', threads: 2, batchSize: 7 });
        assert.equal(engine.info.kvType, 'int8');
        assert.deepEqual(await logitsOf(engine, tokens), await logitsAfter(alone.model, tokens));
        alone.close();
        await engine.unload();
      },
    );

    inThose(early.has(name))('a prompt that is given while the model arrives gives the same', async () => {
      const tokens = Array.from({ length: 70 }, (_, i) => (i * 91) % vocabulary);
      const stream = new Blob([model]).stream();
      const arriving = await createEngine({
        model: { stream, size: model.length, name: 'early.gguf' },
        earlyStart: true,
        store: null,
        contextSize: CONTEXT,
      });
      assert.deepEqual(await logitsOf(arriving, tokens), await logitsAfter(core.model, tokens));
      await arriving.unload();
    });
  });
}
