/**
 * What Emscripten writes: makes an instance of the core from compiled wasm.
 * @param options Emscripten's module options, such as `instantiateWasm`, `wasmMemory` and `mainScriptUrlOrBlob`
 */
declare function createGlue(options: Record<string, unknown>): Promise<Record<string, unknown>>;
export = createGlue;
