// A way to die for the library's worker: once `globalThis.dieOfTrap` is set, the next call into the engine's wasm runs into
// an instruction that traps. (module (func (export "trap") unreachable))
const TRAP = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0],
  ...[7, 8, 1, 4, 0x74, 0x72, 0x61, 0x70, 0, 0, 10, 5, 1, 3, 0, 0x00, 0x0b],
);
const { trap } = new WebAssembly.Instance(new WebAssembly.Module(TRAP)).exports;

const instantiate = WebAssembly.instantiate.bind(WebAssembly);
WebAssembly.instantiate = async (module, imports) => {
  const instance = await instantiate(module, imports);
  const isEngine = imports !== undefined && module instanceof WebAssembly.Module && !(instance instanceof Promise);
  if (!isEngine) return instance;
  const dying = (use) =>
    typeof use === 'function' ? (...given) => (globalThis.dieOfTrap ? trap() : use(...given)) : use;
  return { exports: Object.fromEntries(Object.entries(instance.exports).map(([name, use]) => [name, dying(use)])) };
};
