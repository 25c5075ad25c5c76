// What the benchmark tells while it runs: a line that changes where a person looks on, and a line for each run.
import { duration } from '../../js/commands/units.js';

/**
 * How long the remaining turns will take: as long as the same engine's turns took, else as long as the mean turn.
 * @param {{ engine: string, seconds: number }[]} done
 * @param {string[]} remaining the engine of each turn
 * @returns {number | null} seconds; null where nothing is known yet
 */
export function secondsLeft(done, remaining) {
  if (done.length === 0) return null;
  /** @param {{ engine: string, seconds: number }[]} turns */
  const mean = (turns) => turns.reduce((sum, turn) => sum + turn.seconds, 0) / turns.length;
  const overall = mean(done);
  return remaining.reduce((sum, engine) => {
    const same = done.filter((turn) => turn.engine === engine);
    return sum + (same.length > 0 ? mean(same) : overall);
  }, 0);
}

/**
 * @param {Pick<ReturnType<typeof import('../../js/commands/terminal.js').createTerminal>, 'progress' | 'note'>} terminal
 * @param {{ engine: string, round: number }[]} turns all that will be taken
 */
export function createProgress(terminal, turns) {
  /** @type {{ engine: string, seconds: number }[]} */
  const done = [];
  let start = 0;
  const left = () => {
    const elapsed = (performance.now() - start) / 1000;
    const all = secondsLeft(
      done,
      turns.slice(done.length).map((turn) => turn.engine),
    );
    return all === null ? '' : `, ${duration(Math.max(all - elapsed, 0))} left`;
  };
  return {
    begin() {
      start = performance.now();
    },
    /** @param {import('./measure.js').MeasureEvent} event */
    event({ phase, test }) {
      const { engine, round } = turns[done.length];
      const place = `turn ${done.length + 1} of ${turns.length}, round ${round}, ${engine}`;
      terminal.progress(`${place}: ${[phase, test].filter(Boolean).join(' ')}${left()}`);
    },
    /** @param {string} outcome in a few words */
    end(outcome) {
      const { engine, round } = turns[done.length];
      done.push({ engine, seconds: (performance.now() - start) / 1000 });
      start = performance.now();
      terminal.note(`round ${round} ${engine}: ${outcome}; ${done.length} of ${turns.length} turns${left()}`);
    },
  };
}
