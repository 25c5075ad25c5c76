// nibble info: what is in a model file.
import { describeModel, NibbleError } from '../index.node.js';
import { accessOptions, tellToken } from './access.js';
import { ACCESS, ENGINE, UsageError } from './arguments.js';
import { hubAddressOf, listingPage, listMeasured } from './hub.js';
import { modelOf } from './model.js';
import { bytes, columns, parameters } from './units.js';

/** @type {import('./arguments.js').Command} */
export default {
  usage: '[FILE] [OPTIONS]',
  examples: ['nibble info model.gguf', 'nibble info model.gguf -c 32768 --tensors', 'nibble info hf.co/OWNER/NAME'],
  positionals: 'FILE',
  options: {
    model: { ...ENGINE.model, help: 'the same as FILE; the small model of the package if none is given' },
    context: { ...ENGINE.context, help: 'tokens of context to tell the memory for' },
    store: { ...ENGINE.store, help: 'the folder with the model, if FILE is the id or the name of a stored one' },
    threads: ENGINE.threads,
    batch: ENGINE.batch,
    exact: ENGINE.exact,
    'kv-type': ENGINE['kv-type'],
    budget: { ...ENGINE.budget, help: 'tell what stays in memory and what is read for every token under this budget' },
    'read-rate': {
      kind: 'bytes',
      value: 'SIZE',
      help: 'bytes a second that the store reads, to tell how fast it can be',
    },
    tensors: { kind: 'flag', help: 'list every tensor' },
    ...ACCESS,
  },

  async run({ values, positionals, terminal }) {
    if (positionals.length > 1 || (positionals.length === 1 && values.model !== undefined)) {
      throw new UsageError('One file at a time, please.');
    }
    if (values['read-rate'] !== undefined && values.budget === undefined) {
      throw new UsageError('--read-rate tells something under a --budget only.');
    }
    const given = positionals[0] ?? values.model;
    const access = accessOptions(values);
    tellToken(given, terminal);
    const { url = '', type = null } = (given !== undefined && hubAddressOf(given)) || {};
    if (url === null && type === null) {
      const listing = await listMeasured(given, terminal.interrupted, { memory: values.budget && Infinity, ...access });
      if (values.json) terminal.json(listing);
      else terminal.write(listingPage(listing));
      return;
    }
    const model = await modelOf({ model: given, store: values.store, header: values.header }, terminal);
    const description = await describeModel(model, {
      ...access,
      ...(values.store !== undefined && { store: { folder: values.store } }),
      contextSize: values.context,
      threads: values.threads,
      batchSize: values.batch,
      exact: values.exact,
      kvType: values['kv-type'],
      memoryBudget: values.budget,
      signal: terminal.interrupted,
    });
    if (values.json) terminal.json(description);
    else terminal.write(page(description, values.tensors, values['read-rate']));
    const { problem } = description;
    // What was asked for is told all the same; that it cannot be had is an error.
    if (description.model !== null && problem !== null) throw new NibbleError(problem.code, problem.message);
  },
};

/** @typedef {import('../index.node.js').ModelDescription} ModelDescription */
/** @typedef {NonNullable<ModelDescription['model']>} Shape */
/** @typedef {import('../index.node.js').MetadataEntry} MetadataEntry */

/** @param {ModelDescription} description @param {boolean} withTensors @param {number} [readRate] bytes a second */
function page(description, withTensors, readRate) {
  const sections = [summary(description, readRate)];
  if (description.tensors.length > 0) sections.push(typeTable(description.quantization.types));
  sections.push(metadataTable(description.metadata));
  if (withTensors) sections.push(tensorTable(description.tensors));
  return `${sections.join('\n\n')}\n`;
}

/** @param {ModelDescription} description @param {number} [readRate] */
function summary(description, readRate) {
  const { name, architecture, file, quantization, tensors, tensorBytes, model, memory, problem, warnings } =
    description;
  const rows = [
    ['name', name],
    [
      'file',
      `${file.name}, ${file.bytes === null ? 'of unknown size' : bytes(file.bytes)}, GGUF version ${file.ggufVersion}`,
    ],
    ['architecture', architecture ?? 'not named'],
    ['weights', `${quantization.label}: ${tensors.length} tensors, ${bytes(tensorBytes)}`],
  ];
  if (model !== null) rows.push(...modelRows(model));
  if (memory !== null && model !== null) {
    rows.push(...memoryRows(memory, model));
    if (model.budget !== null) rows.push(...budgetRows(model.budget, model.tiedOutput, readRate));
  }
  for (const { code, message } of warnings) rows.push(['note', `${code}: ${message}`]);
  if (problem !== null) rows.push([model === null ? 'cannot run' : 'memory', `${problem.code}: ${problem.message}`]);
  return columns(rows);
}

/** @param {Shape} model */
const headSizes = ({ headSize, valueSize }) =>
  valueSize === headSize ? `${headSize}` : `${headSize} (values of ${valueSize})`;

/** @param {Shape} model */
function modelRows(model) {
  const { blocks, layers } = model;
  return [
    ['parameters', parameters(model.parameters)],
    ['layers', layers === blocks ? `${layers}` : `${layers}, of ${blocks} blocks of weights`],
    ['width', `${model.width}; feed-forward ${model.feedForward}`],
    ['attention', `${model.heads} heads of ${headSizes(model)}, ${model.kvHeads} of keys and values`],
    ['vocabulary', `${model.vocabularySize}${model.tiedOutput ? ', output tied to the embedding' : ''}`],
    [
      'context',
      `trained for ${model.trainedContext}${model.slidingWindow ? `, window of ${model.slidingWindow}` : ''}`,
    ],
  ];
}

/** @param {NonNullable<ModelDescription['memory']>} memory @param {Shape} model */
function memoryRows({ weights, ring, kvCache, activations, code, other, unused, javascript }, { contextSize, kvType }) {
  const total = weights + ring + kvCache + activations + code + other + unused + javascript;
  const reading = ring > 0 ? `, slots for weights that are read ${bytes(ring)}` : '';
  return [
    ['memory', `${bytes(total)} with ${contextSize} tokens of context, all of them in use:`],
    [
      '',
      `weights ${bytes(weights)}${reading}, KV cache ${bytes(kvCache)} (${kvType}), activations ${bytes(activations)}, code ${bytes(code)}, other ${bytes(other)}, reserve ${bytes(unused)}, JavaScript ${bytes(javascript)}`,
    ],
  ];
}

/** @param {NonNullable<Shape['budget']>} budget @param {boolean} tied @param {number} [readRate] */
function budgetRows(budget, tied, readRate) {
  if (!budget.streams) return [['budget', `${bytes(budget.bytes)}: all weights stay in memory`]];
  const { pinnedBlocks, streamedBlocks, outputStreams, bytesPerTokenStreamed, sweepTokens } = budget;
  const output = tied ? 'the embedding, which is also the output' : 'the output';
  const streamed = `${streamedBlocks} of ${pinnedBlocks + streamedBlocks} blocks${outputStreams ? ` and ${output}` : ''}`;
  const fastest =
    readRate === undefined
      ? ''
      : `; at ${bytes(readRate)}/s, at most ${(readRate / bytesPerTokenStreamed).toFixed(2)} tok/s`;
  return [
    ['budget', `${bytes(budget.bytes)}; at least ${bytes(budget.leastBytes)} with this context`],
    ['', `read from the store for every token: ${bytes(bytesPerTokenStreamed)}, ${streamed}${fastest}`],
    ['', `a prompt: the same for up to ${sweepTokens} tokens together`],
  ];
}

/**
 * What the file holds, what it becomes in memory, and what that takes.
 * @param {import('../index.node.js').WeightTypes[]} types
 */
function typeTable(types) {
  const rows = types.map(({ type, kind, tensors, weights, bytes: size, packedBytes }) => [
    type,
    `${tensors}`,
    parameters(weights),
    bytes(size),
    kind ?? 'not weights',
    bytes(packedBytes),
    ((8 * packedBytes) / weights).toFixed(2),
  ]);
  return columns(
    [['TYPE', 'TENSORS', 'WEIGHTS', 'IN THE FILE', 'AS', 'IN MEMORY', 'BITS A WEIGHT'], ...rows],
    [1, 2, 3, 5, 6],
  );
}

/** @param {MetadataEntry} pair */
function shown({ type, count, value }) {
  if (value === null) return `[${count} lists]`;
  const single = type.startsWith('f32');
  const text = (/** @type {any} */ item) =>
    typeof item === 'string' ? JSON.stringify(item) : String(single ? shortest(item) : item);
  const whole = Array.isArray(value)
    ? `[${value.map(text).join(', ')}${count > value.length ? ', …' : ''}]`
    : text(value);
  return `${whole.length > 100 ? `${whole.slice(0, 100)}…` : whole}${type.endsWith('[]') ? ` (${count})` : ''}`;
}

/** The shortest number that is this one in single precision: 0.1, not 0.10000000149011612. @param {number} value */
function shortest(value) {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

/** @param {Record<string, MetadataEntry>} metadata */
function metadataTable(metadata) {
  return columns([
    ['KEY', 'TYPE', 'VALUE'],
    ...Object.entries(metadata).map(([key, pair]) => [key, pair.type, shown(pair)]),
  ]);
}

/** @param {import('../index.node.js').Tensor[]} tensors */
function tensorTable(tensors) {
  const rows = tensors.map(({ name, type, shape, bytes: size, kind, packedBytes }) => [
    name,
    type,
    shape.join(' x '),
    bytes(size),
    kind ?? 'not weights',
    bytes(packedBytes),
  ]);
  return columns([['TENSOR', 'TYPE', 'SHAPE', 'SIZE', 'AS', 'IN MEMORY'], ...rows], [3, 5]);
}
