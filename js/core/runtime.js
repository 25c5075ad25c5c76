// The twin of wasm/api.c and the only file that touches the wasm heap. It turns the flat exports into these objects:
//
//   Runtime   one instance of the wasm module: its memory and threads
//   Header    (header.js) a GGUF header held in the heap: metadata and tensors
//   Model     an engine of the C core: takes the weights, makes sessions and samplers
//   Session   (session.js) one timeline of tokens
//   Sampler   (sampler.js) chooses tokens
//
// The heap may grow in any call, so no view of it outlives the statement that made it (but those of packedViews()).
// header.js, packer.js, session.js, sampler.js, pass.js and early-pass.js make further calls, and leave the heap to the
// Runtime. Whatever is opened here is closed by its close(), which may be called twice. Everything is synchronous: no
// lock is needed.

import { NibbleError } from '../base/errors.js';
import { ArrivedWeights } from './arrived-weights.js';
import { INFO_BYTES, infoAt, MEMORY_BYTES, memoryAt } from './fields.js';
import { hex } from './heap-checksum.js';
import { STAGING_BYTES } from './heap-sizes.js';
import { instantiate, MOST_PAGES, PAGE_BYTES, reserveMemory } from './instantiate.js';
import { WeightRing } from './pass.js';
import { Sampler } from './sampler.js';
import { Restore, Session } from './session.js';

/**
 * Bytes of the heap by purpose, which make up `wasm`, all of it.
 * @typedef {Omit<import('../base/public-types.js').EngineMemory, 'javascript' | 'total'>} HeapUse
 */

/** An instance of the wasm module. */
export class Runtime {
  /** @type {import('./exports.js').Core | null} */
  #module;
  /** @type {WebAssembly.Memory} */
  #memory;
  #error;
  #limit = Infinity;

  /** Starts an instance and workers for so many threads beside the calling one; else as instantiate() does. @param {import('./instantiate.js').CreateModule} createModule @param {WebAssembly.Module} wasm @param {number} workers @param {Promise<never>} [failed] */
  static async start(createModule, wasm, workers, failed) {
    const memory = reserveMemory();
    const settings = { wasmMemory: memory, pthreadPoolSize: workers };
    return new Runtime(await instantiate(createModule, wasm, settings, failed), memory);
  }

  /** @param {import('./exports.js').Core} module @param {WebAssembly.Memory} memory */
  constructor(module, memory) {
    this.#module = module;
    this.#memory = memory;
    this.#error = this.allocate(module._api_error_size());
    /** Bytes of the heap that are in use without any model: static data and the stack. */
    this.codeBytes = this.usedBytes;
    const grow = WebAssembly.Memory.prototype.grow.bind(memory);
    memory.grow = (pages) => {
      if (this.heapBytes + pages * PAGE_BYTES > this.#limit) throw new RangeError('the memory budget is used up');
      return grow(pages);
    };
  }

  /** The exports. Only this file, header.js, packer.js, session.js, sampler.js and the passes call them. */
  get c() {
    if (this.#module === null) throw new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.');
    return this.#module;
  }

  get heapBytes() {
    return this.#memory.buffer.byteLength;
  }

  /** Of the heap, in use; the rest is free, or was reserved for what comes next. */
  get usedBytes() {
    return this.c._api_heap_used();
  }

  /** `engine`: a model's in the heap, 0 where there is none. @param {number} engine @returns {HeapUse} */
  usage(engine) {
    const { weights, ring, kvCache, activations } = this.scratch(MEMORY_BYTES, (fields) => {
      this.bytes(fields, MEMORY_BYTES).fill(0);
      if (engine !== 0) this.c._api_engine_memory(engine, fields);
      return memoryAt(this, fields);
    });
    const { heapBytes: wasm, usedBytes, codeBytes: code } = this;
    const other = usedBytes - code - weights - ring - kvCache - activations;
    return { weights, ring, kvCache, activations, code, other, unused: wasm - usedBytes, wasm };
  }

  /** From now on the heap does not grow beyond so many bytes: what would make it fails for want of memory. @param {number} bytes */
  limit(bytes) {
    this.#limit = bytes;
  }

  /** The heap itself, to be shared with a worker that reads into it. */
  get memory() {
    return this.#memory;
  }

  /**
   * All that this heap can have here, in bytes: what it has, and what it can be made to grow by. It has grown so far
   * afterwards, so this is asked only where nothing more will be done with it.
   */
  growToLimit() {
    for (let pages = MOST_PAGES; pages >= 1; ) {
      try {
        this.#memory.grow(pages);
      } catch {
        pages /= 2;
      }
    }
    return this.heapBytes;
  }

  /** A view of the heap that is good until the next call into wasm. @param {number} pointer @param {number} length */
  bytes(pointer, length) {
    return new Uint8Array(this.#memory.buffer, pointer >>> 0, length);
  }

  /**
   * A copy of `count` values of a typed-array type out of the heap.
   * @template Copy
   * @param {{ new (buffer: ArrayBuffer): Copy, BYTES_PER_ELEMENT: number }} ArrayType
   * @param {number} pointer
   * @param {number} count
   */
  copy(ArrayType, pointer, count) {
    return new ArrayType(this.bytes(pointer, count * ArrayType.BYTES_PER_ELEMENT).slice().buffer);
  }

  /** @param {number} pointer @param {ArrayBufferView} array */
  write(pointer, array) {
    this.bytes(pointer, array.byteLength).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }

  /** The text at a pointer: `length` bytes, or up to the first NUL. @param {number} pointer @param {number} [length] */
  text(pointer, length) {
    const start = pointer >>> 0;
    const size = length ?? new Uint8Array(this.#memory.buffer).indexOf(0, start) - start;
    return new TextDecoder().decode(this.bytes(start, size).slice());
  }

  /** @param {number} bytes @throws {NibbleError} OUT_OF_MEMORY */
  allocate(bytes) {
    const pointer = this.c._malloc(bytes) >>> 0;
    if (pointer === 0) {
      throw new NibbleError(
        'OUT_OF_MEMORY',
        `No ${bytes} bytes of memory are left for the engine. Close other sessions, use a smaller context or a smaller model, or a larger memoryBudget where there is one.`,
      );
    }
    return pointer;
  }

  /** @param {number} pointer */
  free(pointer) {
    this.c._free(pointer);
  }

  /** Gives back what is behind the first `bytes` of an allocation, which stays where it is. @param {number} pointer @param {number} bytes */
  shrink(pointer, bytes) {
    this.c._realloc(pointer, bytes);
  }

  /** Calls `use(pointer)` with `bytes` bytes of heap that are freed afterwards. @template T @param {number} bytes @param {(pointer: number) => T} use */
  scratch(bytes, use) {
    const pointer = this.allocate(bytes);
    try {
      return use(pointer);
    } finally {
      this.free(pointer);
    }
  }

  /** Makes a call that takes an error pointer; a result of 0 becomes a NibbleError. @param {(error: number) => number} call */
  checked(call) {
    this.bytes(this.#error, 5).fill(0);
    const result = call(this.#error);
    if (result) return result;
    const [code] = this.copy(Int32Array, this.#error, 1);
    const name = /** @type {import('../base/error-codes.js').ErrorCode} */ (this.text(this.c._nibble_error_name(code)));
    throw new NibbleError(name, this.text(this.#error + 4));
  }

  /** Ends the threads. The memory goes with the last reference to this object. */
  close() {
    this.#module?.PThread?.terminateAllThreads();
    this.#module = null;
    this.#memory = /** @type {WebAssembly.Memory} */ ({ buffer: new ArrayBuffer(0) });
  }
}

/**
 * Views of places in a heap that another worker computes in.
 * @param {WebAssembly.Memory} memory
 * @param {[number, number][]} places address and length of each
 */
export function heapViews(memory, places) {
  const end = Math.max(0, ...places.map(([address, length]) => address + length));
  // Growing by nothing brings the buffer of a memory that grew elsewhere up to date.
  if (end > memory.buffer.byteLength) memory.grow(0);
  return places.map(([address, length]) => new Uint8Array(memory.buffer, address, length));
}

/**
 * { name: number } for a call that returns the name at an index (0 past the last) and puts its number at a pointer.
 * @param {Runtime} runtime
 * @param {(index: number, pointer: number) => number} call
 * @param {(name: number) => string} [nameOf]
 */
function namedNumbers(runtime, call, nameOf = (pointer) => runtime.text(pointer)) {
  /** @type {Record<string, number>} */
  const numbers = {};
  return runtime.scratch(8, (field) => {
    for (let index = 0; ; index++) {
      const name = call(index, field);
      if (name === 0) return numbers;
      [numbers[nameOf(name)]] = runtime.copy(Float64Array, field, 1);
    }
  });
}

/** A model in the heap, with its threads. */
export class Model {
  #runtime;
  #engine;
  /** @type {import('../models/weight-stream.js').WeightStream | null} Where the weights come from that do not stay in memory. */
  weights = null;
  /** Which of them are in place. */
  arrived = new ArrivedWeights();

  /** @param {Runtime} runtime @param {number} engine a heap pointer @param {number | null} memoryBudget */
  constructor(runtime, engine, memoryBudget) {
    this.#runtime = runtime;
    this.#engine = engine;
    this.batchSize = runtime.c._nibble_engine_batch_size(engine);
    this.info = runtime.scratch(INFO_BYTES, (fields) => {
      runtime.c._api_engine_info(engine, fields);
      return infoAt(runtime, fields, memoryBudget);
    });
    this.ring = new WeightRing(runtime, engine);
  }

  /** Whether not all weights stay in memory: then they come from a store, and `weights` is there for every evaluation. */
  get streams() {
    return this.info.budget?.streams ?? false;
  }

  /** Whether weights are missing. Until then tokens are computed in early passes (early-pass.js). */
  get isArriving() {
    return this.remaining > 0;
  }

  /** Tokens that one evaluation takes at most at the moment: all of a text while weights arrive, if there is memory. */
  get mostTokens() {
    return this.isArriving && this.info.budget === null ? this.info.contextSize : this.sweepSize;
  }

  /** Tokens that one evaluation takes at most once all weights are there. */
  get sweepSize() {
    const { budget } = this.info;
    return budget?.streams ? budget.sweepTokens : this.batchSize;
  }

  /** Threads that work; settled once all weights are there. */
  get threads() {
    return this.#runtime.c._nibble_engine_threads(this.#engine);
  }

  /** Bytes of weights a second by number of threads, as the choice measured them; empty where there was none. */
  get threadRates() {
    /** @param {number} index @param {number} field */
    const rate = (index, field) => this.#runtime.c._nibble_engine_thread_rate(this.#engine, index, field);
    return namedNumbers(this.#runtime, rate, String);
  }

  /** Measures the kernel sets, where that is left to the engine: some 100 ms, in which reads go on. Otherwise finish() does. */
  chooseKernels() {
    this.#runtime.c._nibble_engine_choose_kernels(this.#engine);
  }

  /** The kernel set in use, the tiles it reads side by side, and the sets' measured rates (weights a second) by name. */
  get kernels() {
    const runtime = this.#runtime;
    const { c } = runtime;
    const kernelRates = namedNumbers(runtime, (index, rate) => c._nibble_engine_kernel_rate(this.#engine, index, rate));
    const kernelSet = runtime.text(c._nibble_engine_kernel_set(this.#engine));
    return { kernelSet, kernelRates, tileStreams: c._nibble_engine_tiles_abreast(this.#engine) };
  }

  /** Bytes of tensor data that are still missing. */
  get remaining() {
    return this.#runtime.c._api_engine_remaining(this.#engine);
  }

  /** Takes the next bytes of the file, from the header's dataOffset on, in pieces of any size. @param {Uint8Array} bytes @param {number} staging a heap pointer */
  load(bytes, staging) {
    const runtime = this.#runtime;
    for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
      const piece = bytes.subarray(start, start + STAGING_BYTES);
      runtime.write(staging, piece);
      runtime.checked((error) => runtime.c._nibble_engine_load(this.#engine, staging, piece.length, error));
      this.arrived.land(0, runtime.c._api_engine_position(this.#engine));
    }
    if (!this.isArriving) this.arrived.finish();
  }

  /** The places of `length` packed bytes from `position` on, in order; their pointer is 0 where they do not stay. @param {number} position @param {number} length */
  packedPlaces(position, length) {
    const runtime = this.#runtime;
    return runtime.scratch(16, (fields) => {
      const places = [];
      for (let at = position, end = position + length; at < end; ) {
        runtime.c._api_engine_packed_range(this.#engine, at, fields);
        const [pointer, run] = runtime.copy(Float64Array, fields, 2);
        if (run === 0) throw new RangeError(`no weights at ${at}`);
        places.push({ position: at, length: Math.min(run, end - at), pointer });
        at += run;
      }
      return places;
    });
  }

  /**
   * The same as views that are filled and then let go, of a model whose weights all stay. Reads may fill them while
   * other calls run: the heap is shared, so it grows without moving.
   * @param {number} position
   * @param {number} length
   */
  packedViews(position, length) {
    return this.packedPlaces(position, length).map((place) => this.#runtime.bytes(place.pointer, place.length));
  }

  /** Puts packed bytes into place, and looks at those that do not stay. @param {number} position @param {Uint8Array} bytes */
  place(position, bytes) {
    for (const place of this.packedPlaces(position, bytes.length)) {
      const start = place.position - position;
      const part = bytes.subarray(start, start + place.length);
      if (place.pointer === 0) this.#lookAt(place.position, part);
      else this.#runtime.write(place.pointer, part);
    }
    this.arrived.land(position, position + bytes.length);
  }

  /** @param {number} position @param {Uint8Array} bytes */
  #lookAt(position, bytes) {
    this.#runtime.scratch(Math.min(bytes.length, STAGING_BYTES), (pointer) => {
      for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
        const piece = bytes.subarray(start, start + STAGING_BYTES);
        this.#runtime.write(pointer, piece);
        this.passBy(position + start, pointer, piece.length);
      }
    });
  }

  /** Shows the core packed bytes in the heap that do not stay, once. @param {number} position @param {number} pointer @param {number} length */
  passBy(position, pointer, length) {
    this.#runtime.c._api_engine_pass_by(this.#engine, position, pointer, length);
  }

  /** The checksum of packed bytes in place, as checksumOf() gives it. @param {number} position @param {number} length */
  packedChecksum(position, length) {
    return hex(this.#runtime.c._api_engine_packed_checksum(this.#engine, position, length));
  }

  /** Says that all packed bytes are in place. */
  finish() {
    this.#runtime.checked((error) => this.#runtime.c._nibble_engine_finish(this.#engine, error));
    this.arrived.finish();
  }

  /** The packed position up to which all has to be in place for a block; -1: to begin a pass; the last: the output. @param {number} block */
  needs(block) {
    return this.#runtime.c._api_engine_needs(this.#engine, block);
  }

  /** Bytes of the heap by purpose, as the runtime's usage() tells them. */
  memory() {
    return this.#runtime.usage(this.#engine);
  }

  /** Bytes of weights a second that a plain loop on all threads reads. */
  readRate() {
    return this.#runtime.c._nibble_engine_read_rate(this.#engine);
  }

  /** Switches the profile of the forward pass on, from zero, or off. @param {boolean} on */
  profile(on) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_engine_profile(this.#engine, on ? 1 : 0, error));
  }

  /** Milliseconds of each operation since the profile was switched on, summed over the threads. */
  profileEntries() {
    const { c } = this.#runtime;
    const entries = namedNumbers(this.#runtime, (index, field) =>
      c._nibble_engine_profile_entry(this.#engine, index, field),
    );
    return Object.entries(entries).map(([operation, milliseconds]) => ({ operation, milliseconds }));
  }

  createSession() {
    const session = this.#runtime.checked((error) => this.#runtime.c._nibble_session_create(this.#engine, error));
    return new Session(this.#runtime, session, this);
  }

  /** Takes the bytes of a saved session, and makes a session of them. */
  openRestore() {
    return new Restore(this.#runtime, this.#engine, this);
  }

  /** A sampler for this model's logits; `options` as readCompletionOptions() gives them. @param {import('./sampler.js').SamplerOptions} options */
  createSampler(options) {
    return new Sampler(this.#runtime, options, this.info.vocabularySize);
  }

  close() {
    if (this.#engine !== 0) this.#runtime.c._nibble_engine_free(this.#engine);
    this.#engine = 0;
  }
}
