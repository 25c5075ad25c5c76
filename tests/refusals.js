// A platform that refuses something, by the query of the worker's address:
//   ?post     shared memory cannot be posted to a thread
//   ?file     a thread's file cannot be loaded
//   ?silent   a thread is ended before it begins, and a minute is over in a moment
//   ?reserve  only a quarter of the address space can be reserved
//   ?grow     a memory grows to 32 MiB, no further
//   ?relaxed  no module with relaxed SIMD is valid, as where a browser has none
// Each refusal is told to the page, on the channel 'refusals'.
const refusal = self.location.search;
const told = new BroadcastChannel('refusals');

if (refusal === '?silent') {
  const { Worker, setInterval } = self;
  self.setInterval = /** @type {any} */ (
    (/** @type {Function} */ use, /** @type {number} */ milliseconds) => setInterval(use, milliseconds / 100)
  );
  self.Worker = /** @type {any} */ (
    class extends Worker {
      /** @param {string} url @param {object} options */
      constructor(url, options) {
        super(url, options);
        this.terminate();
        told.postMessage(refusal);
      }
    }
  );
}

if (refusal === '?post' || refusal === '?file') {
  const { Worker } = self;
  self.Worker = /** @type {any} */ (
    class extends Worker {
      /** @param {string} url @param {object} options */
      constructor(url, options) {
        super(refusal === '?file' ? new URL('missing.js', url) : url, options);
        if (refusal === '?file') told.postMessage(refusal);
      }

      /** @param {any} message @param {any} transfer */
      postMessage(message, transfer) {
        if (refusal === '?file') return super.postMessage(message, transfer);
        told.postMessage(refusal);
        throw new DOMException('The object can not be cloned.', 'DataCloneError');
      }
    }
  );
}

if (refusal === '?relaxed') {
  const { validate } = WebAssembly;
  // i16x8.relaxed_dot_i8x16_i7x16_s; both the engine's question and its relaxed build have it.
  /** @param {Uint8Array<ArrayBuffer>} bytes */
  const isRelaxed = (bytes) =>
    bytes.some((byte, at) => byte === 0xfd && bytes[at + 1] === 0x92 && bytes[at + 2] === 0x02);
  WebAssembly.validate = (source, ...rest) => {
    const bytes = ArrayBuffer.isView(source)
      ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
      : new Uint8Array(source);
    if (!isRelaxed(bytes)) return validate.call(WebAssembly, source, ...rest);
    told.postMessage(refusal);
    return false;
  };
}

if (refusal === '?reserve') {
  const { Memory } = WebAssembly;
  WebAssembly.Memory = class extends Memory {
    /** @param {any} descriptor */
    constructor(descriptor) {
      if (descriptor.maximum > 16384) {
        told.postMessage(refusal);
        throw new RangeError('Out of memory');
      }
      super(descriptor);
    }
  };
}

if (refusal === '?grow') {
  const { grow } = WebAssembly.Memory.prototype;
  WebAssembly.Memory.prototype.grow = function (/** @type {number} */ pages) {
    if (this.buffer.byteLength + pages * 65536 > 32 << 20) throw new RangeError('Out of memory');
    return grow.call(this, pages);
  };
}
