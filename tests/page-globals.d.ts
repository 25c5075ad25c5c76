// What tests put into the global scope of the pages and workers that they open, as the checker of types sees it.

/** What came as JSON, or could have: its taker knows what it is. */
type Told = ReturnType<JSON['parse']>;

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
declare var calls: Told[];
declare var counted: Told[];
declare var hubs: Told[];
declare var loads: number;
declare var unloads: number;
declare var release: () => void;
/** What single tests keep there. */
declare var answer: Told;
declare var asked: Told;
declare var before: Told;
declare var call: Told;
declare var called: Told;
declare var copied: Told;
declare var couldStop: Told;
declare var described: Told;
declare var drawn: Told;
declare var fault: Told;
declare var holders: Told;
declare var holding: Told;
declare var isFull: boolean | string;
declare var isUnderWay: boolean;
declare var lengths: Told;
declare var loading: Told;
declare var longTasks: Told;
declare var next: Told;
declare var odd: Told;
declare var pageIsReady: boolean;
declare var parts: Told;
declare var received: Told;
declare var report: Told;
declare var rounds: Told;
/** Of tests/bench/page.js, and what it calls. */
declare var runPlan: (
  plan: import('./bench/measure.js').TurnPlan,
) => Promise<
  | { result: Awaited<ReturnType<typeof import('./bench/measure.js').measure>>; userAgent: string; error?: undefined }
  | { error: string; result?: undefined; userAgent?: undefined }
>;

declare var said: Told;
declare var tell: Told;
declare var told: Told;
declare var waiting: Told;
declare var whyClosed: Told;
declare var worker: Worker;
declare var write: Told;
/** Of tests/library/trap.js, in workers. */
declare var armThreads: Told;
declare var dieOfTrap: Told;
/** axe-core, in a page that a test looks for faults with it. */
declare var axe: typeof import('axe-core');
