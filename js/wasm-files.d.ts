// What the bundler makes of a wasm file that is imported: see buildLibrary() in bundle.js.
declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
