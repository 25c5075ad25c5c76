// The modes in which a chat has a terminal: keys one by one, and brackets around what is pasted. Whoever stops or ends
// the program finds the terminal as it was, and a program that goes on has it again.
import { BRACKETS, setRawMode } from './paste.js';

// What ends a program that does not say otherwise. Ctrl-C is the chat's own matter.
const ENDINGS = ['SIGTERM', 'SIGHUP', 'SIGQUIT'];

/**
 * Sets them until `close()`.
 * @param {{ stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream, onBack: () => void }} parts `onBack`: the program was
 *   stopped, and goes on; what stands on the terminal is somebody else's
 */
export function holdTerminalModes({ stdin, stdout, onBack }) {
  let isSet = false;
  const set = () => {
    isSet = true;
    // A shell has changed the mode of the keys behind the back of Node, which would leave out what it takes for set.
    setRawMode(stdin, false);
    setRawMode(stdin, true);
    if (stdout.isTTY) stdout.write(BRACKETS.on);
  };
  const unset = () => {
    if (!isSet) return;
    isSet = false;
    if (stdout.isTTY) stdout.write(BRACKETS.off);
    setRawMode(stdin, false);
  };
  const goOn = () => {
    set();
    onBack();
  };
  const end = (/** @type {NodeJS.Signals} */ signal) => {
    close();
    process.kill(process.pid, signal);
  };
  const close = () => {
    unset();
    process.off('SIGCONT', goOn);
    process.off('exit', unset);
    for (const signal of ENDINGS) process.off(signal, end);
  };

  set();
  process.on('SIGCONT', goOn);
  process.on('exit', unset);
  for (const signal of ENDINGS) process.on(signal, end);
  return {
    /** Stops the program, with all that was started with it, as Ctrl-Z does elsewhere. */
    stop() {
      unset();
      process.kill(0, 'SIGTSTP');
      // Where no shell could let it go on, nothing has stopped, and nothing tells so.
      setImmediate(() => {
        if (!isSet) goOn();
      });
    },
    close,
  };
}
