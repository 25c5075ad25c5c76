// A GGUF header that is held in the heap, and what is made of one: a description, or a model. It calls exports, but
// leaves the heap to the Runtime of runtime.js.

import { Metadata } from '../gguf/metadata.js';
import { LENGTH_BYTES } from '../gguf/text-table.js';
import { checkRuns } from '../gguf/unsupported.js';
import { INFO_BYTES, infoAt, KV_TYPES, MEMORY_BYTES, memoryAt } from './fields.js';
import { besidesBytes, GROWTH_BYTES, loadingBytes } from './heap-sizes.js';
import { javascriptBytes, workersBytes } from './javascript-sizes.js';
import { Model } from './runtime.js';

// What the core is told of the memory.
const PLAN_BYTES = 24;

/**
 * @typedef {object} PlanOptions what an engine is planned for
 * @property {number} threads
 * @property {number} contextSize
 * @property {number} batchSize
 * @property {boolean} exact
 * @property {'auto' | 'f16' | 'int8'} [kvType]
 * @property {number | null} [memoryBudget]
 * @property {boolean} [earlyStart]
 */

/** @typedef {PlanOptions & { chooseThreads: boolean, kernelSet: string | null, tileStreams: number }} ModelOptions */

/** A parsed GGUF header. Its metadata is decoded when asked for. */
export class Header extends Metadata {
  #runtime;
  #buffer;
  #gguf;

  /**
   * Takes over `buffer`, a heap pointer to the file's first `available` bytes, where it succeeds; on an error (code
   * GGUF_NEEDS_MORE where the header goes on) the buffer stays the caller's.
   * @param {import('./runtime.js').Runtime} runtime
   * @param {number} buffer
   * @param {number} available
   * @param {number} fileSize
   */
  constructor(runtime, buffer, available, fileSize) {
    const { c } = runtime;
    const gguf = runtime.checked((error) => c._api_gguf_open(buffer, available, fileSize, error));
    super(({ value, bytes }) => runtime.bytes(value, bytes).slice());
    this.#gguf = gguf;
    this.#runtime = runtime;
    this.#buffer = buffer;
    this.version = c._api_gguf_version(this.#gguf);
    this.dataOffset = c._api_gguf_data_offset(this.#gguf);
    runtime.shrink(buffer, Math.max(1, Math.min(available, this.dataOffset)));
    runtime.scratch(28, (fields) => {
      for (let index = 0; index < c._api_gguf_pair_count(this.#gguf); index++) {
        c._api_gguf_pair(this.#gguf, index, fields);
        const [key, keyLength, type, element, count, value, bytes] = runtime.copy(Uint32Array, fields, 7);
        this.add(runtime.text(key, keyLength), { type, element, count, value, bytes });
      }
    });
  }

  /**
   * [{ name, type, shape, offset, bytes, kind, packedBytes }]; shape[0] is the contiguous dimension, offset counts from
   * the file's start. `kind` and `packedBytes` are what it becomes in memory; null and 0: it holds no weights.
   * @returns {import('../base/public-types.js').Tensor[]}
   */
  tensors() {
    const runtime = this.#runtime;
    const { c } = runtime;
    return runtime.scratch(96, (fields) =>
      Array.from({ length: c._api_gguf_tensor_count(this.#gguf) }, (_, index) => {
        c._api_gguf_tensor(this.#gguf, index, fields);
        const [name, nameLength, type, dimensions, ...rest] = runtime.copy(Float64Array, fields, 12);
        return {
          name: runtime.text(name, nameLength),
          type: runtime.text(c._api_tensor_type_name(type)),
          shape: rest.slice(0, dimensions),
          offset: rest[4],
          bytes: rest[5],
          kind: rest[6] < 0 ? null : runtime.text(c._api_tile_kind_name(rest[6])),
          packedBytes: rest[7],
        };
      }),
    );
  }

  /**
   * Copies of what stands in the header: of each metadata pair all bytes, of each tensor those up to its offset. The other
   * fields are as keys() and tensors() tell them.
   * @returns {{ pairs: { key: string, entry: Uint8Array }[], tensors: { name: string, entry: Uint8Array, offset: number, bytes: number }[] }}
   */
  entries() {
    const runtime = this.#runtime;
    const { c } = runtime;
    /** @param {number} start @param {number} end */
    const copy = (start, end) => runtime.bytes(start, end - start).slice();
    return runtime.scratch(96, (fields) => ({
      pairs: Array.from({ length: c._api_gguf_pair_count(this.#gguf) }, (_, index) => {
        c._api_gguf_pair(this.#gguf, index, fields);
        const [key, keyLength, , , , value, bytes] = runtime.copy(Uint32Array, fields, 7);
        return { key: runtime.text(key, keyLength), entry: copy(key - LENGTH_BYTES, value + bytes) };
      }),
      tensors: Array.from({ length: c._api_gguf_tensor_count(this.#gguf) }, (_, index) => {
        c._api_gguf_tensor(this.#gguf, index, fields);
        const [name, length, , dimensions, , , , , offset, bytes] = runtime.copy(Float64Array, fields, 12);
        const end = name + length + 4 + 8 * dimensions + 4;
        return { name: runtime.text(name, length), entry: copy(name - LENGTH_BYTES, end), offset, bytes };
      }),
    }));
  }

  /**
   * What the model is and what memory it will take. Nothing is reserved.
   * @param {PlanOptions} options
   * @returns {{ info: import('../base/public-types.js').ModelShape, memory: import('../base/public-types.js').MemoryUse }}
   */
  describe({ threads, contextSize, batchSize, exact, kvType = 'auto', memoryBudget = null, earlyStart = false }) {
    checkRuns(this);
    const type = KV_TYPES.indexOf(kvType);
    const runtime = this.#runtime;
    return runtime.scratch(INFO_BYTES + MEMORY_BYTES + PLAN_BYTES, (info) => {
      const memory = info + INFO_BYTES;
      const sizes = this.#sizes(threads, earlyStart);
      const budget = this.#writePlan(memory + MEMORY_BYTES, memoryBudget, sizes);
      runtime.checked((error) =>
        runtime.c._api_describe(
          this.#gguf,
          threads,
          contextSize,
          batchSize,
          exact ? 1 : 0,
          type,
          budget,
          info,
          memory,
          error,
        ),
      );
      const { other, ...planned } = memoryAt(runtime, memory);
      const { besides, javascript } = sizes;
      const rest = { code: runtime.codeBytes, other: other + besides, unused: GROWTH_BYTES, javascript };
      return { info: infoAt(runtime, info, memoryBudget), memory: { ...planned, ...rest } };
    });
  }

  /** What the JavaScript of an engine takes that has this file's vocabulary. */
  get javascriptBytes() {
    return javascriptBytes(this.sizeOf('tokenizer.ggml.tokens'), this.sizeOf('tokenizer.ggml.merges'));
  }

  /** Bytes beside what the core counts. An `early` engine has one thread more, and its sessions begin while it loads. */
  #sizes(/** @type {number} */ threads, /** @type {boolean} */ early) {
    const [pairs, tensors] = [this.keys().length, this.#runtime.c._api_gguf_tensor_count(this.#gguf)];
    const all = threads + (early ? 1 : 0);
    const loading = loadingBytes({ headerBytes: this.dataOffset, pairs, tensors });
    const javascript = this.javascriptBytes + workersBytes(all);
    const besides = besidesBytes(all) + (early ? loading : 0);
    return { besides, loading: early ? 0 : loading, javascript };
  }

  /** @param {number} pointer @param {number | null} memoryBudget @param {{ besides: number, loading: number, javascript: number }} sizes */
  #writePlan(pointer, memoryBudget, { besides, loading, javascript }) {
    const caller = this.#runtime.codeBytes + besides + javascript + GROWTH_BYTES;
    this.#runtime.write(pointer, Float64Array.of(memoryBudget ?? -1, caller, loading));
    return pointer;
  }

  /**
   * An engine for this model, without its weights. `chooseThreads`: so many of the threads as are fastest; `kernelSet`
   * null, `tileStreams` 0: measured and chosen.
   * @param {ModelOptions} options
   */
  createModel({
    threads,
    chooseThreads,
    contextSize,
    batchSize,
    exact,
    kvType = 'auto',
    kernelSet,
    tileStreams,
    memoryBudget = null,
    earlyStart = false,
  }) {
    checkRuns(this);
    const runtime = this.#runtime;
    const name = new TextEncoder().encode(`${kernelSet ?? ''}\0`);
    return runtime.scratch(PLAN_BYTES + name.length, (budget) => {
      const text = budget + PLAN_BYTES;
      const sizes = this.#sizes(threads, earlyStart);
      this.#writePlan(budget, memoryBudget, sizes);
      runtime.write(text, name);
      const set = kernelSet === null ? 0 : text;
      if (memoryBudget !== null) runtime.limit(memoryBudget - sizes.javascript);
      const engine = runtime.checked((error) =>
        runtime.c._api_engine_create(
          this.#gguf,
          threads,
          chooseThreads ? 1 : 0,
          contextSize,
          batchSize,
          exact ? 1 : 0,
          KV_TYPES.indexOf(kvType),
          set,
          tileStreams,
          budget,
          error,
        ),
      );
      return new Model(runtime, engine, memoryBudget);
    });
  }

  /** The parsed header in the heap, for packer.js. */
  get gguf() {
    return this.#gguf;
  }

  close() {
    if (this.#gguf === 0) return;
    this.#runtime.c._api_gguf_close(this.#gguf);
    this.#runtime.free(this.#buffer);
    this.#gguf = 0;
    this.clear();
  }
}
