// The twin of wasm/api.c and the only file that touches the wasm heap. It turns the flat exports into four objects:
//
//   Runtime   one instance of the wasm module: its memory and threads
//   Header    a GGUF header held in the heap: metadata and tensors
//   Model     an engine of the C core: takes the weights, makes sessions and samplers
//   Session   (session.js) one timeline of tokens
//   Sampler
//
// The heap may grow in any call, so no view of it outlives the statement that made it. Whatever is opened here is
// closed by its close(), which may be called twice. Everything is synchronous: no lock is needed.
import { NibbleError } from './errors.js';
import { decodeValue, typeName } from './metadata.js';
import { Restore, Session } from './session.js';

/** Bytes of the file that are handed to the core at once. */
export const STAGING_BYTES = 4 << 20;

const INFO_FIELDS = [
  'parameters',
  'bytesPerToken',
  'vocabularySize',
  'width',
  'blocks',
  'layers',
  'heads',
  'kvHeads',
  'headSize',
  'feedForward',
  'trainedContext',
  'contextSize',
  'slidingWindow',
  'tiedOutput',
  'kvType',
];
// KvType, and NibbleKvType: what the pages hold, and what may be asked for.
const PAGE_TYPES = ['f16', 'f32', 'int8'];
const KV_TYPES = [null, 'f16', 'int8'];
const MEMORY_FIELDS = ['weights', 'kvCache', 'activations', 'other'];

/** An instance of the wasm module. */
export class Runtime {
  #module;
  #memory;
  #error;

  /**
   * @param {(options: object) => Promise<object>} createModule the factory that Emscripten's glue exports
   * @param {WebAssembly.Module} wasm the compiled kernels and core
   * @param {number} threads workers to start beforehand beside the calling thread, plus one
   */
  static async start(createModule, wasm, threads) {
    let memory;
    let refuse;
    const refused = new Promise((_, reject) => {
      refuse = reject;
    });
    const instantiateWasm = (imports, receive) => {
      const values = Object.values(imports).flatMap((group) => Object.values(group));
      memory = values.find((value) => value instanceof WebAssembly.Memory);
      WebAssembly.instantiate(wasm, imports).then((instance) => receive(instance, wasm), refuse);
      return {};
    };
    try {
      const started = createModule({
        instantiateWasm,
        pthreadPoolSize: Math.max(0, threads - 1),
        print: () => {},
        printErr: () => {},
      });
      return new Runtime(await Promise.race([started, refused]), memory);
    } catch (cause) {
      throw new NibbleError(
        'PLATFORM_UNSUPPORTED',
        `The WebAssembly engine did not start (${cause.message ?? cause}). Try fewer threads, or a newer browser or Node.`,
        { cause },
      );
    }
  }

  constructor(module, memory) {
    this.#module = module;
    this.#memory = memory ?? module.wasmMemory;
    this.#error = this.allocate(module._api_error_size());
  }

  /** The exports. Only this file and session.js call them. */
  get c() {
    if (this.#module === null) throw new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.');
    return this.#module;
  }

  get heapBytes() {
    return this.#memory.buffer.byteLength;
  }

  /** A view of the heap that is good until the next call into wasm. */
  bytes(pointer, length) {
    return new Uint8Array(this.#memory.buffer, pointer >>> 0, length);
  }

  /** A copy of `count` values of a typed-array type out of the heap. */
  copy(ArrayType, pointer, count) {
    return new ArrayType(this.bytes(pointer, count * ArrayType.BYTES_PER_ELEMENT).slice().buffer);
  }

  write(pointer, array) {
    this.bytes(pointer, array.byteLength).set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }

  /** The text at a pointer: `length` bytes, or up to the first NUL. */
  text(pointer, length) {
    const start = pointer >>> 0;
    const size = length ?? new Uint8Array(this.#memory.buffer).indexOf(0, start) - start;
    return new TextDecoder().decode(this.bytes(start, size).slice());
  }

  allocate(bytes) {
    const pointer = this.c._malloc(bytes) >>> 0;
    if (pointer === 0) {
      throw new NibbleError(
        'OUT_OF_MEMORY',
        `No ${bytes} bytes of memory are left for the engine. Use a smaller context or a smaller model.`,
      );
    }
    return pointer;
  }

  free(pointer) {
    this.c._free(pointer);
  }

  /** Calls `use(pointer)` with `bytes` bytes of heap that are freed afterwards. */
  scratch(bytes, use) {
    const pointer = this.allocate(bytes);
    try {
      return use(pointer);
    } finally {
      this.free(pointer);
    }
  }

  /** Makes a call that takes an error pointer; a result of 0 becomes a NibbleError. */
  checked(call) {
    this.bytes(this.#error, 5).fill(0);
    const result = call(this.#error);
    if (result) return result;
    const [code] = this.copy(Int32Array, this.#error, 1);
    throw new NibbleError(this.text(this.c._nibble_error_name(code)), this.text(this.#error + 4));
  }

  /** Ends the threads. The memory goes with the last reference to this object. */
  close() {
    this.#module?.PThread?.terminateAllThreads();
    this.#module = null;
    this.#memory = { buffer: new ArrayBuffer(0) };
  }
}

/** Named numbers out of an array of doubles in the heap. */
function namedDoubles(runtime, names, pointer) {
  const values = runtime.copy(Float64Array, pointer, names.length);
  return Object.fromEntries(names.map((name, index) => [name, values[index]]));
}

function infoAt(runtime, pointer) {
  const info = namedDoubles(runtime, INFO_FIELDS, pointer);
  return { ...info, tiedOutput: info.tiedOutput !== 0, kvType: PAGE_TYPES[info.kvType] };
}

/** A parsed GGUF header. Its metadata is decoded when asked for. */
export class Header {
  #runtime;
  #buffer;
  #gguf;
  #pairs = new Map();
  #values = new Map();

  /**
   * Takes over `buffer`, a heap pointer to the file's first `available` bytes, where it succeeds; on an error (code
   * GGUF_NEEDS_MORE where the header goes on) the buffer stays the caller's.
   */
  constructor(runtime, buffer, available, fileSize) {
    const { c } = runtime;
    this.#gguf = runtime.checked((error) => c._api_gguf_open(buffer, available, fileSize, error));
    this.#runtime = runtime;
    this.#buffer = buffer;
    this.version = c._api_gguf_version(this.#gguf);
    this.dataOffset = c._api_gguf_data_offset(this.#gguf);
    runtime.scratch(28, (fields) => {
      for (let index = 0; index < c._api_gguf_pair_count(this.#gguf); index++) {
        c._api_gguf_pair(this.#gguf, index, fields);
        const [key, keyLength, type, element, count, value, bytes] = runtime.copy(Uint32Array, fields, 7);
        this.#pairs.set(runtime.text(key, keyLength), { type, element, count, value, bytes });
      }
    });
  }

  has(key) {
    return this.#pairs.has(key);
  }

  keys() {
    return [...this.#pairs.keys()];
  }

  /**
   * The value of a key, undefined where it is absent: a number (a bigint past 2^53), boolean or string; for an array
   * of strings or booleans an Array, of numbers a typed array, of arrays null.
   */
  get(key) {
    const pair = this.#pairs.get(key);
    if (pair === undefined) return undefined;
    if (!this.#values.has(key)) {
      this.#values.set(key, decodeValue(pair, this.#runtime.bytes(pair.value, pair.bytes).slice()));
    }
    return this.#values.get(key);
  }

  /** { type, count, value } of a key that exists; of an array only its first `limit` elements. */
  preview(key, limit) {
    const pair = this.#pairs.get(key);
    const bytes = this.#runtime.bytes(pair.value, pair.bytes).slice();
    const value = decodeValue({ ...pair, count: Math.min(pair.count, limit) }, bytes);
    return { type: typeName(pair), count: pair.count, value: ArrayBuffer.isView(value) ? Array.from(value) : value };
  }

  /** [{ name, type, shape, offset, bytes }]; shape[0] is the contiguous dimension, offset counts from the file's start. */
  tensors() {
    const runtime = this.#runtime;
    const { c } = runtime;
    return runtime.scratch(80, (fields) =>
      Array.from({ length: c._api_gguf_tensor_count(this.#gguf) }, (_, index) => {
        c._api_gguf_tensor(this.#gguf, index, fields);
        const [name, nameLength, type, dimensions, ...rest] = runtime.copy(Float64Array, fields, 10);
        return {
          name: runtime.text(name, nameLength),
          type: runtime.text(c._api_tensor_type_name(type)),
          shape: rest.slice(0, dimensions),
          offset: rest[4],
          bytes: rest[5],
        };
      }),
    );
  }

  /** What the model is and what memory it will take: { info, memory }. Nothing is reserved. */
  describe({ threads, contextSize, batchSize, exact, kvType = null }) {
    const type = KV_TYPES.indexOf(kvType);
    const runtime = this.#runtime;
    return runtime.scratch(8 * (INFO_FIELDS.length + MEMORY_FIELDS.length), (info) => {
      const memory = info + 8 * INFO_FIELDS.length;
      runtime.checked((error) =>
        runtime.c._api_describe(this.#gguf, threads, contextSize, batchSize, exact ? 1 : 0, type, info, memory, error),
      );
      return { info: infoAt(runtime, info), memory: namedDoubles(runtime, MEMORY_FIELDS, memory) };
    });
  }

  /** An engine for this model, without its weights. `kernelSet` null, `tileStreams` 0: measured and chosen. */
  createModel({ threads, contextSize, batchSize, exact, kvType, kernelSet, tileStreams }) {
    const runtime = this.#runtime;
    const name = new TextEncoder().encode(`${kernelSet ?? ''}\0`);
    return runtime.scratch(name.length, (text) => {
      runtime.write(text, name);
      const set = kernelSet === null ? 0 : text;
      const engine = runtime.checked((error) =>
        runtime.c._api_engine_create(
          this.#gguf,
          threads,
          contextSize,
          batchSize,
          exact ? 1 : 0,
          KV_TYPES.indexOf(kvType),
          set,
          tileStreams,
          error,
        ),
      );
      return new Model(runtime, engine);
    });
  }

  close() {
    if (this.#gguf === 0) return;
    this.#runtime.c._api_gguf_close(this.#gguf);
    this.#runtime.free(this.#buffer);
    this.#gguf = 0;
    this.#pairs.clear();
    this.#values.clear();
  }
}

/** A model in the heap, with its threads. */
export class Model {
  #runtime;
  #engine;

  constructor(runtime, engine) {
    this.#runtime = runtime;
    this.#engine = engine;
    this.threads = runtime.c._nibble_engine_threads(engine);
    this.batchSize = runtime.c._nibble_engine_batch_size(engine);
    this.info = runtime.scratch(8 * INFO_FIELDS.length, (fields) => {
      runtime.c._api_engine_info(engine, fields);
      return infoAt(runtime, fields);
    });
  }

  /** The kernel set in use, the tiles it reads side by side, and the sets' measured rates (weights a second) by name. */
  get kernels() {
    const runtime = this.#runtime;
    const { c } = runtime;
    const rates = {};
    runtime.scratch(8, (rate) => {
      for (let index = 0; ; index++) {
        const name = c._nibble_engine_kernel_rate(this.#engine, index, rate);
        if (name === 0) break;
        [rates[runtime.text(name)]] = runtime.copy(Float64Array, rate, 1);
      }
    });
    const kernelSet = runtime.text(c._nibble_engine_kernel_set(this.#engine));
    return { kernelSet, kernelRates: rates, tileStreams: c._nibble_engine_tile_streams(this.#engine) };
  }

  /** Bytes of tensor data that are still missing. */
  get remaining() {
    return this.#runtime.c._api_engine_remaining(this.#engine);
  }

  /** Takes the next bytes of the file, from the header's dataOffset on, in pieces of any size. */
  load(bytes, staging) {
    const runtime = this.#runtime;
    for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
      const piece = bytes.subarray(start, start + STAGING_BYTES);
      runtime.write(staging, piece);
      runtime.checked((error) => runtime.c._nibble_engine_load(this.#engine, staging, piece.length, error));
    }
  }

  memory() {
    const runtime = this.#runtime;
    const memory = runtime.scratch(8 * MEMORY_FIELDS.length, (fields) => {
      runtime.c._api_engine_memory(this.#engine, fields);
      return namedDoubles(runtime, MEMORY_FIELDS, fields);
    });
    return { ...memory, wasm: runtime.heapBytes };
  }

  /** Bytes of weights a second that a plain loop on all threads reads. */
  readRate() {
    return this.#runtime.c._nibble_engine_read_rate(this.#engine);
  }

  /** Switches the profile of the forward pass on, from zero, or off. */
  profile(on) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_engine_profile(this.#engine, on ? 1 : 0, error));
  }

  /** Milliseconds of each operation since the profile was switched on, summed over the threads. */
  profileEntries() {
    const runtime = this.#runtime;
    return runtime.scratch(8, (field) => {
      const entries = [];
      for (let index = 0; ; index++) {
        const name = runtime.c._nibble_engine_profile_entry(this.#engine, index, field);
        if (name === 0) return entries;
        entries.push({ operation: runtime.text(name), milliseconds: runtime.copy(Float64Array, field, 1)[0] });
      }
    });
  }

  createSession() {
    const session = this.#runtime.checked((error) => this.#runtime.c._nibble_session_create(this.#engine, error));
    return new Session(this.#runtime, session, this.info.vocabularySize, this.batchSize);
  }

  /** Takes the bytes of a saved session, and makes a session of them. */
  openRestore() {
    return new Restore(this.#runtime, this.#engine, this.info.vocabularySize, this.batchSize);
  }

  /** A sampler for this model's logits; `options` as readCompletionOptions() gives them. */
  createSampler(options) {
    return new Sampler(this.#runtime, options, this.info.vocabularySize);
  }

  close() {
    if (this.#engine !== 0) this.#runtime.c._nibble_engine_free(this.#engine);
    this.#engine = 0;
  }
}

/** Chooses tokens. */
export class Sampler {
  #runtime;
  #sampler;

  constructor(runtime, options, vocabularySize) {
    this.#runtime = runtime;
    const { temperature, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty } = options;
    const values = Float32Array.of(temperature, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty);
    const seed = BigInt(options.seed);
    this.#sampler = runtime.scratch(values.byteLength, (pointer) => {
      runtime.write(pointer, values);
      return runtime.checked((error) =>
        runtime.c._api_sampler_create(
          pointer,
          options.topK,
          options.penaltyWindow,
          Number(seed & 0xffffffffn),
          Number((seed >> 32n) & 0xffffffffn),
          vocabularySize,
          error,
        ),
      );
    });
  }

  bias(token, value) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_sampler_bias(this.#sampler, token, value, error));
  }

  accept(token) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_sampler_accept(this.#sampler, token, error));
  }

  /** @param {number} logits a heap pointer: Session.sample() is the way to call this */
  sampleAt(logits) {
    return this.#runtime.c._nibble_sampler_sample(this.#sampler, logits);
  }

  close() {
    if (this.#sampler !== 0) this.#runtime.c._nibble_sampler_free(this.#sampler);
    this.#sampler = 0;
  }
}
