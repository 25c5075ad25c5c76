// What tests put into the global scope of the pages and workers that they open, as the checker of types sees it.

/** The library, in a page that a test has loaded it into. */
declare var nibble: typeof import('../js/index.web.js');
/** The engine of that page. */
declare var engine: import('../js/client/engine.js').Engine;
/** The backend that tests/store/worker.js has opened, and the modules of stores that it has loaded. */
declare var backend: import('../js/store/backends.js').Backend;
declare var store: typeof import('./store/worker.js').store;
/** What broke the content security policy of a page of tests/page/driver.js. */
declare var violations: string[];
/** What the engine of scriptEngine() in tests/page/driver.js counts and hands out. */
declare var calls: (import('../js/base/public-types.js').CompletionOptions & {
  messages: { role: string; content: string }[];
})[];
declare var counted: ({ templateVariables?: Record<string, unknown> } | undefined)[];
declare var hubs: (string | undefined)[];
declare var loads: number;
declare var unloads: number;
declare var release: () => void;
/** What single tests keep there. */
declare var answer: Promise<import('../js/base/public-types.js').CompletionResult>;
declare var asked: (string | undefined)[];
declare var before: string;
declare var call: () => Promise<unknown>;
declare var called: Promise<unknown>;
declare var copied: string;
declare var couldStop: boolean;
/** What tests/page/dropped.test.js holds up, and the names of files that it sees loaded and described. */
declare var goOn: () => void;
declare var loaded: string[];
declare var described: string[];
declare var drawn: Set<Node>;
declare var fault: Error;
declare var holders: import('../js/store/locks.js').Holder[];
declare var holding: Promise<unknown>;
declare var isFull: boolean | string;
declare var isUnderWay: boolean;
declare var lengths: Set<number>;
declare var loading: Promise<{ code: string; message: string }>;
declare var longTasks: number[];
declare var next: () => Promise<MessageEvent>;
/** Of tests/library/sessions-browser.test.js. */
declare var openEngine: (store: 'indexeddb' | 'opfs') => Promise<void>;
declare var odd: [said: string, isLoading: boolean];
declare var pageIsReady: boolean;
declare var parts: typeof import('../web/markdown/writer.js') & typeof import('../web/chat/reasoning.js');
declare var received: number;
declare var report: (event: import('./bench/measure.js').MeasureEvent) => Promise<unknown>;
declare var rounds: number;
/** Of tests/bench/page.js, and what it calls. */
declare var runPlan: (
  plan: import('./bench/measure.js').TurnPlan,
) => Promise<
  | { result: Awaited<ReturnType<typeof import('./bench/measure.js').measure>>; userAgent: string; error?: undefined }
  | { error: string; result?: undefined; userAgent?: undefined }
>;

declare var said: (string | null)[];
declare var tell: (sentence: string) => void;
declare var told: Set<string>;
declare var waiting: Promise<unknown>;
declare var whyClosed: 'not yet' | { code: string; message: string } | null;
declare var worker: Worker;
/** Of tests/bundlers.js, in its pages. */
declare var write: (
  model: Uint8Array,
  completion: import('../js/base/public-types.js').CompletionOptions,
) => Promise<{ tokens: number[]; threads: number }>;
/** Of tests/library/trap.js, in workers. */
declare var armThreads: () => void;
declare var dieOfTrap: boolean | undefined;
/** axe-core, in a page that a test looks for faults with it. */
declare var axe: typeof import('axe-core');
