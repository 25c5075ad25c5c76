// Ways to die for the library's worker: once `globalThis.dieOfTrap` is set, the next call into the engine's wasm runs into
// an instruction that traps; after armThreads(), a thread does so while the engine waits for it.
// (module (func (export "trap") unreachable))
const TRAP = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0],
  ...[7, 8, 1, 4, 0x74, 0x72, 0x61, 0x70, 0, 0, 10, 5, 1, 3, 0, 0x00, 0x0b],
);
const { trap } = /** @type {{ trap: () => never }} */ (new WebAssembly.Instance(new WebAssembly.Module(TRAP)).exports);

const instantiate = WebAssembly.instantiate.bind(WebAssembly);
/**
 * @param {BufferSource | WebAssembly.Module} module
 * @param {WebAssembly.Imports} [imports]
 * @returns {Promise<any>} what the call gives for either
 */
WebAssembly.instantiate = async (module, imports) => {
  if (imports === undefined || !(module instanceof WebAssembly.Module))
    return instantiate(/** @type {BufferSource} */ (module), imports);
  const instance = await instantiate(module, imports);
  memory = memoryOf(imports);
  /** @param {WebAssembly.ExportValue} use */
  const dying = (use) =>
    typeof use === 'function'
      ? (/** @type {unknown[]} */ ...given) => (globalThis.dieOfTrap ? trap() : use(...given))
      : use;
  return { exports: Object.fromEntries(Object.entries(instance.exports).map(([name, use]) => [name, dying(use)])) };
};

// In the heap, where the engine has nothing: below its static data.
const FLAG = 128;
const LATE_MILLISECONDS = 300;
/** @type {WebAssembly.Memory} */
let memory;
/** @param {WebAssembly.Imports} imports */
const memoryOf = (imports) =>
  /** @type {WebAssembly.Memory} */ (
    Object.values(imports)
      .flatMap((group) => Object.values(group))
      .find((one) => one instanceof WebAssembly.Memory)
  );

globalThis.armThreads = () => Atomics.store(new Int32Array(memory.buffer), FLAG, 1);

// Threads make their instances at once. One that sleeps asks for the time now and then: here it then stays away so long
// that others wait for it, and traps.
WebAssembly.Instance = new Proxy(WebAssembly.Instance, {
  construct(Instance, [module, imports]) {
    memory = memoryOf(imports);
    const groups = Object.entries(imports).map(([name, group]) => [name, mapped(group, late)]);
    return new Instance(module, Object.fromEntries(groups));
  },
});

/** @param {object} group @param {(use: Function) => Function} change */
const mapped = (group, change) =>
  Object.fromEntries(Object.entries(group).map(([name, one]) => [name, typeof one === 'function' ? change(one) : one]));

/** @param {Function} use */
function late(use) {
  return (/** @type {unknown[]} */ ...given) => {
    const flag = new Int32Array(memory.buffer);
    if (Atomics.load(flag, FLAG) !== 0) {
      Atomics.wait(flag, FLAG, 1, LATE_MILLISECONDS);
      trap();
    }
    return use(...given);
  };
}
