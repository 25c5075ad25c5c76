// What the page shows around the conversation: the progress of a load, the facts of the engine, and problems.

const PHASES = { download: 'Downloading the model', load: 'Reading the model', prepare: 'Preparing the model' };

/** The elements of the page by their ids. */
export const element = Object.fromEntries([...document.querySelectorAll('[id]')].map((found) => [found.id, found]));

/** Shows how far a load is. @param {object} [progress] as createEngine() reports it; none: it starts */
export function showProgress(progress) {
  const { text, fraction } = progress ? describeProgress(progress) : { text: 'Starting the engine' };
  element.loading.hidden = false;
  element['loading-text'].textContent = text;
  if (fraction === undefined) element.progress.removeAttribute('value');
  else element.progress.value = fraction;
}

function describeProgress({ phase, loaded, total, secondsLeft }) {
  const label = PHASES[phase] ?? 'Loading the model';
  if (phase === 'prepare' || !total) return { text: label };
  const left = secondsLeft > 2 ? `, ${Math.ceil(secondsLeft)} s left` : '';
  return { text: `${label}: ${megabytes(loaded)} of ${megabytes(total)}${left}`, fraction: loaded / total };
}

export function hideProgress() {
  element.loading.hidden = true;
}

/** Shows what runs here. @param {object} info an engine's */
export function showEngine({ name, quantization, threads, kernelSet }) {
  element.model.textContent = `${name} (${quantization.label})`;
  element.speed.textContent = '';
  element.threads.textContent = describeThreads(threads);
  element.kernels.textContent = `${kernelSet} kernels`;
}

function describeThreads(threads) {
  if (threads > 1) return `${threads} threads`;
  return crossOriginIsolated ? '1 thread' : '1 thread: this server does not allow more';
}

export function forgetEngine() {
  for (const name of ['model', 'speed', 'threads', 'kernels']) element[name].textContent = '';
}

export function showSpeed(tokensPerSecond) {
  element.speed.textContent = `${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens a second`;
}

/**
 * Shows a problem until it is closed or hidden.
 * @param {{ code?: string, name?: string, message: string }} error
 * @param {{ remedy?: { label: string, action: () => void } | null, canClose?: boolean }} [options] `remedy`: what the
 *   reader can do about it by one button
 */
export function showProblem(error, { remedy = null, canClose = true } = {}) {
  element['problem-code'].textContent = error.code ?? error.name;
  element['problem-text'].textContent = error.message;
  element.remedy.hidden = remedy === null;
  element.remedy.textContent = remedy?.label ?? '';
  element.remedy.onclick = remedy?.action ?? null;
  element.dismiss.hidden = !canClose;
  element.problem.hidden = false;
}

export function hideProblem() {
  element.problem.hidden = true;
}

/** Tells a screen reader, which is not read the answer token by token. */
export function announce(text) {
  element.announcer.textContent = text;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
