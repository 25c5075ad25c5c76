// The twin of wasm/api.c and the only file that touches the wasm heap. It turns the flat exports into these objects:
//
//   Runtime   one instance of the wasm module: its memory and threads
//   Header    a GGUF header held in the heap: metadata and tensors
//   Model     an engine of the C core: takes the weights, makes sessions and samplers
//   Session   (session.js) one timeline of tokens
//   Sampler
//
// The heap may grow in any call, so no view of it outlives the statement that made it (but those of packedViews()).
// packer.js and session.js make further calls, and leave the heap to the Runtime. Whatever is opened here is closed by
// its close(), which may be called twice. Everything is synchronous: no lock is needed.
import { NibbleError } from './errors.js';
import { instantiate, MOST_PAGES, reserveMemory } from './instantiate.js';
import { Metadata } from './metadata.js';
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
const KV_TYPES = ['auto', 'f16', 'int8'];
const MEMORY_FIELDS = ['weights', 'kvCache', 'activations', 'other'];

/** An instance of the wasm module. */
export class Runtime {
  #module;
  #memory;
  #error;

  /** Starts an instance and `threads - 1` workers beside the calling thread; else as instantiate() does. */
  static async start(createModule, wasm, threads, failed) {
    const memory = reserveMemory();
    const settings = { wasmMemory: memory, pthreadPoolSize: Math.max(0, threads - 1) };
    return new Runtime(await instantiate(createModule, wasm, settings, failed), memory);
  }

  constructor(module, memory) {
    this.#module = module;
    this.#memory = memory;
    this.#error = this.allocate(module._api_error_size());
  }

  /** The exports. Only this file, session.js and packer.js call them. */
  get c() {
    if (this.#module === null) throw new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.');
    return this.#module;
  }

  get heapBytes() {
    return this.#memory.buffer.byteLength;
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

/** Named numbers out of an array of doubles in the heap. */
function namedDoubles(runtime, names, pointer) {
  const values = runtime.copy(Float64Array, pointer, names.length);
  return Object.fromEntries(names.map((name, index) => [name, values[index]]));
}

/** { name: number } for a call that returns the name at an index (0 past the last) and puts its number at a pointer. */
function namedNumbers(runtime, call, nameOf = (pointer) => runtime.text(pointer)) {
  const numbers = {};
  return runtime.scratch(8, (field) => {
    for (let index = 0; ; index++) {
      const name = call(index, field);
      if (name === 0) return numbers;
      [numbers[nameOf(name)]] = runtime.copy(Float64Array, field, 1);
    }
  });
}

/** A checksum as text, from the signed number that wasm gives. */
export const hex = (number) => BigInt.asUintN(64, number).toString(16).padStart(16, '0');

function infoAt(runtime, pointer) {
  const info = namedDoubles(runtime, INFO_FIELDS, pointer);
  return { ...info, tiedOutput: info.tiedOutput !== 0, kvType: PAGE_TYPES[info.kvType] };
}

/** A parsed GGUF header. Its metadata is decoded when asked for. */
export class Header extends Metadata {
  #runtime;
  #buffer;
  #gguf;

  /**
   * Takes over `buffer`, a heap pointer to the file's first `available` bytes, where it succeeds; on an error (code
   * GGUF_NEEDS_MORE where the header goes on) the buffer stays the caller's.
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
    runtime.scratch(28, (fields) => {
      for (let index = 0; index < c._api_gguf_pair_count(this.#gguf); index++) {
        c._api_gguf_pair(this.#gguf, index, fields);
        const [key, keyLength, type, element, count, value, bytes] = runtime.copy(Uint32Array, fields, 7);
        this.add(runtime.text(key, keyLength), { type, element, count, value, bytes });
      }
    });
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
  describe({ threads, contextSize, batchSize, exact, kvType = 'auto' }) {
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

  /**
   * An engine for this model, without its weights. `chooseThreads`: so many of the threads as are fastest; `kernelSet`
   * null, `tileStreams` 0: measured and chosen.
   */
  createModel({ threads, chooseThreads, contextSize, batchSize, exact, kvType = 'auto', kernelSet, tileStreams }) {
    const runtime = this.#runtime;
    const name = new TextEncoder().encode(`${kernelSet ?? ''}\0`);
    return runtime.scratch(name.length, (text) => {
      runtime.write(text, name);
      const set = kernelSet === null ? 0 : text;
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
          error,
        ),
      );
      return new Model(runtime, engine);
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

/** A model in the heap, with its threads. */
export class Model {
  #runtime;
  #engine;

  constructor(runtime, engine) {
    this.#runtime = runtime;
    this.#engine = engine;
    this.batchSize = runtime.c._nibble_engine_batch_size(engine);
    this.info = runtime.scratch(8 * INFO_FIELDS.length, (fields) => {
      runtime.c._api_engine_info(engine, fields);
      return infoAt(runtime, fields);
    });
  }

  /** Threads that work; settled once all weights are there. */
  get threads() {
    return this.#runtime.c._nibble_engine_threads(this.#engine);
  }

  /** Bytes of weights a second by number of threads, as the choice measured them; empty where there was none. */
  get threadRates() {
    const rate = (index, field) => this.#runtime.c._nibble_engine_thread_rate(this.#engine, index, field);
    return namedNumbers(this.#runtime, rate, String);
  }

  /** The kernel set in use, the tiles it reads side by side, and the sets' measured rates (weights a second) by name. */
  get kernels() {
    const runtime = this.#runtime;
    const { c } = runtime;
    const kernelRates = namedNumbers(runtime, (index, rate) => c._nibble_engine_kernel_rate(this.#engine, index, rate));
    const kernelSet = runtime.text(c._nibble_engine_kernel_set(this.#engine));
    return { kernelSet, kernelRates, tileStreams: c._nibble_engine_tile_streams(this.#engine) };
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

  /**
   * The places of `length` packed bytes from `position` on, in order: views that are filled and then let go. Reads may
   * fill them while other calls run: the heap is shared, so it grows without moving.
   */
  packedViews(position, length) {
    const runtime = this.#runtime;
    return runtime.scratch(16, (fields) => {
      const views = [];
      for (let at = position, end = position + length; at < end; at += views.at(-1).length) {
        runtime.c._api_engine_packed_range(this.#engine, at, fields);
        const [pointer, run] = runtime.copy(Float64Array, fields, 2);
        if (pointer === 0) throw new RangeError(`no weights at ${at}`);
        views.push(runtime.bytes(pointer, Math.min(run, end - at)));
      }
      return views;
    });
  }

  /** Puts packed bytes into place. */
  place(position, bytes) {
    let done = 0;
    for (const view of this.packedViews(position, bytes.length)) {
      view.set(bytes.subarray(done, done + view.length));
      done += view.length;
    }
  }

  /** The checksum of packed bytes in place, as checksumOf() gives it. */
  packedChecksum(position, length) {
    return hex(this.#runtime.c._api_engine_packed_checksum(this.#engine, position, length));
  }

  /** Says that all packed bytes are in place. */
  finish() {
    this.#runtime.checked((error) => this.#runtime.c._nibble_engine_finish(this.#engine, error));
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
    const { c } = this.#runtime;
    const entries = namedNumbers(this.#runtime, (index, field) =>
      c._nibble_engine_profile_entry(this.#engine, index, field),
    );
    return Object.entries(entries).map(([operation, milliseconds]) => ({ operation, milliseconds }));
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
