// The arrays of numbers that wasm/api.c fills, as objects.

const INFO_FIELDS = /** @type {const} */ ([
  'parameters',
  'bytesPerToken',
  'vocabularySize',
  'width',
  'blocks',
  'layers',
  'heads',
  'kvHeads',
  'headSize',
  'valueSize',
  'feedForward',
  'trainedContext',
  'contextSize',
  'slidingWindow',
  'tiedOutput',
  'kvType',
  'packedBytes',
]);
// Where the weights are under a memory budget, behind those.
const BUDGET_FIELDS = /** @type {const} */ ([
  'leastBytes',
  'streams',
  'outputStreams',
  'pinnedBlocks',
  'streamedBlocks',
  'slots',
  'slotBytes',
  'bytesPerTokenStreamed',
  'sweepTokens',
]);
const MODEL_FIELDS = [...INFO_FIELDS, ...BUDGET_FIELDS];
// What the pages hold, in the order of KvType.
const PAGE_TYPES = /** @type {const} */ (['f16', 'f32', 'int8']);
/** What may be asked for, in the order of NibbleKvType. @type {readonly ('auto' | 'f16' | 'int8')[]} */
export const KV_TYPES = ['auto', 'f16', 'int8'];
const MEMORY_FIELDS = /** @type {const} */ (['weights', 'ring', 'kvCache', 'activations', 'other']);

/**
 * Named numbers out of an array of doubles in the heap.
 * @template {string} Name
 * @param {import('./runtime.js').Runtime} runtime
 * @param {readonly Name[]} names
 * @param {number} pointer
 * @returns {Record<Name, number>}
 */
function namedDoubles(runtime, names, pointer) {
  const values = runtime.copy(Float64Array, pointer, names.length);
  return /** @type {any} */ (Object.fromEntries(names.map((name, index) => [name, values[index]])));
}

/**
 * @param {import('./runtime.js').Runtime} runtime
 * @param {number} pointer
 * @param {number | null} budgetBytes the memory budget; null: there is none
 * @returns {import('../base/public-types.js').ModelShape}
 */
export function infoAt(runtime, pointer, budgetBytes) {
  const values = namedDoubles(runtime, MODEL_FIELDS, pointer);
  /** @template {keyof typeof values} Name @param {readonly Name[]} names @returns {Record<Name, number>} */
  const pick = (names) => /** @type {any} */ (Object.fromEntries(names.map((name) => [name, values[name]])));
  const info = { ...pick(INFO_FIELDS), tiedOutput: values.tiedOutput !== 0, kvType: PAGE_TYPES[values.kvType] };
  if (budgetBytes === null) return { ...info, budget: null };
  const budget = { bytes: budgetBytes, ...pick(BUDGET_FIELDS), streams: values.streams !== 0 };
  const ring = { outputStreams: values.outputStreams !== 0, ringBytes: values.slots * values.slotBytes };
  return { ...info, budget: { ...budget, ...ring } };
}

/** @param {import('./runtime.js').Runtime} runtime @param {number} pointer */
export const memoryAt = (runtime, pointer) => namedDoubles(runtime, MEMORY_FIELDS, pointer);

/** Bytes of those arrays. */
export const INFO_BYTES = 8 * MODEL_FIELDS.length;
export const MEMORY_BYTES = 8 * MEMORY_FIELDS.length;
