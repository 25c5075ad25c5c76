// The rooms of the project: what each is for, which file opens it, and which rooms its modules may import. Rooms stand from
// top to bottom, and an import only ever points down; house-rules.test.js holds the code to that. Types in comments, which
// nobody loads, may name any room.

/** Files that belong to another room than their folder's. */
/** @type {Record<string, string>} */
export const MOVED = { 'js/cli.js': 'js/commands' };

// biome-ignore format: a table is read by its columns
/** @type {[room: string, purpose: string, opens: string, imports: string][]} */
export const ROOMS = [
  ['js/commands',       'The command line: what a person types, and what the terminal shows.',             'arguments.js',   'js js/core js/base'],
  ['js',                'The entries: what programs and bundlers import, and what workers run.',            'index.js',       'js/client js/worker js/hub js/protocol js/sources js/download js/store js/core js/base'],
  ['js/worker',         'The worker\'s half: calls that arrive, and the engine, sessions and stores there.', 'engine-host.js', 'js/measure js/generate js/models js/saves js/prompt js/core js/store js/download js/protocol js/base'],
  ['js/client',         'The caller\'s half: engines, sessions, completions and stores as programs see them.', 'engine.js',    'js/hub js/sources js/download js/protocol js/base'],
  ['js/measure',        'How fast a machine is, with a model or before there is one.',                      'benchmark.js',   'js/generate js/models js/base'],
  ['js/generate',       'From a prompt\'s tokens to an answer: timelines, sampling, a context that is full.', 'completion.js', 'js/base'],
  ['js/models',         'A model from its source or its store into the heap: import, repair, streaming.',   'open.js',        'js/prompt js/core js/saves js/store js/sources js/download js/gguf js/protocol js/base'],
  ['js/prompt',         'From messages to the text and tokens that a model reads, by its chat template.',   'model-text.js',  'js/jinja js/tokenizer js/gguf js/base'],
  ['js/jinja',          'The language of chat templates, in a sandbox that marks what was said.',           'template.js',    'js/base'],
  ['js/tokenizer',      'Texts to tokens and back, by the vocabulary of a file.',                           'tokenizer.js',   'js/gguf js/base'],
  ['js/core',           'The twins of what C exports. runtime.js alone touches the heap.',                  'runtime.js',     'js/gguf js/base'],
  ['js/saves',          'Sessions that are kept in a store, beside their model.',                           'store.js',       'js/store js/base'],
  ['js/store',          'Records and chunks of bytes by an id: IndexedDB, OPFS, a folder, memory.',         'backends.js',    'js/base'],
  ['js/hub',            'Hugging Face\'s hub: what an address means, and which file is the one.',           'repository.js',  'js/sources js/download js/base'],
  ['js/sources',        'Where a model\'s bytes come from: addresses, files, Blobs, streams.',              'source.js',      'js/download js/base'],
  ['js/download',       'A file from a server: in parts, again after a fault, never two versions of it.',   'download.js',    'js/base'],
  ['js/gguf',           'What the header of a model file says.',                                            'metadata.js',    'js/base'],
  ['js/protocol',       'Calls across the border of a worker, and how its end is noticed.',                 'messages.js',    'js/base'],
  ['js/base',           'What every room may use: errors, options, cancellation, progress.',                'errors.js',      ''],

  ['web',               'The page: it makes the parts and joins them.',                                     'app.js',         'web/status web/chat web/conversations web/models web/settings web/engine web/ui web/offline'],
  ['web/status',        'The read-outs: what the engine is, and what it is doing.',                         'readouts.js',    'web/chat web/engine web/ui'],
  ['web/chat',          'The conversation that is shown: questions, answers, and what fits into the context.', 'chat.js',     'web/conversations web/engine web/markdown web/ui'],
  ['web/conversations', 'The conversations that are kept, listed, taken out and brought back.',             'conversations.js', 'web/engine web/ui'],
  ['web/models',        'The models of this device, and where more come from.',                             'panel.js',       'web/engine web/settings web/ui'],
  ['web/engine',        'The engine in use, how it loads, and what goes wrong with it.',                    'engine-room.js', 'web/ui'],
  ['web/settings',      'What the reader has chosen.',                                                      'settings.js',    'web/ui'],
  ['web/markdown',      'A model\'s Markdown, drawn as it comes.',                                          'writer.js',      'web/ui'],
  ['web/offline',       'The page without its server: the service worker, and its updates.',                'service-worker.js', 'web/ui'],
  ['web/ui',            'What any part of the page is drawn with: elements, dialogs, keys, icons, words.',  'dom.js',         'web/strings'],
  ['web/strings',       'What the page says, in each of its languages.',                                    'en.js',          ''],
];

/** Folders of tests that are named otherwise than a room of js/. */
export const TEST_FOLDERS = {
  bench: 'measurements, which no test runs',
  fuzz: 'fuzzers, of C and of JavaScript',
  golden: 'the families of models, against recorded logits',
  library: 'the whole library: js/, js/client/, js/protocol/ and js/worker/',
  native: 'the tests of src/, in C',
  offline: 'the site, its server and its service worker',
  package: 'what is packed, built and promised to platforms',
  page: 'web/, in a real browser',
};

/** C files that are one module in several: these may include each other's headers. */
export const C_MODULES = [
  ['engine', 'engine_plan', 'engine_state'],
  ['gguf', 'gguf_tables'],
  ['model', 'block_tensors'],
  ['sampler', 'sampler_state'],
  ['tiles', 'tile_formats', 'tile_rows'],
  ['tile_stretch', 'tile_unpack', 'tile_vectors', 'stretch_product'],
];
