// nibble chat on a terminal that a shell shares with it: what stops and what ends it leaves the terminal as it was.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { present } from '../present.js';

const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const MODEL = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));
const [CTRL_D, CTRL_Z] = ['\x04', '\x1a'];
const [BRACKETS_ON, BRACKETS_OFF] = ['\x1b[?2004h', '\x1b[?2004l'];
const PATIENCE = 30_000;

const canScript = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') === true;
const OPTIONS = {
  timeout: 3 * PATIENCE,
  skip: canScript ? false : 'needs the program "script" of util-linux, which gives a program a terminal',
};

/** A program on a terminal of its own. @param {string} command */
function onTerminal(command) {
  const env = { ...process.env, TERM: 'xterm', CHAT: `"${process.execPath}" "${CLI}" chat -m "${MODEL}"` };
  const child = spawn('script', ['-qfc', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  let read = 0;
  /** @type {(reason?: unknown) => void} */
  let wake = () => {};
  child.stdout.setEncoding('utf8').on('data', (text) => {
    shown += text;
    wake();
  });
  child.on('close', () => wake());
  return {
    /** @param {string} keys */
    type: (keys) => child.stdin.write(keys),
    /** What is shown until a text is, behind what was waited for before. @param {string} text */
    async until(text) {
      const end = setTimeout(() => child.kill('SIGKILL'), PATIENCE);
      while (!shown.includes(text, read) && child.exitCode === null && child.signalCode === null)
        await new Promise((resolve) => {
          wake = resolve;
        });
      clearTimeout(end);
      const at = shown.indexOf(text, read);
      assert.ok(at >= 0, `${JSON.stringify(text)} is not in ${JSON.stringify(shown.slice(read))}`);
      const piece = shown.slice(read, at + text.length);
      read = at + text.length;
      return piece;
    },
    close: () => child.kill('SIGKILL'),
  };
}

/** @param {(terminal: ReturnType<typeof onTerminal>) => unknown} use */
async function withShell(use) {
  const terminal = onTerminal('bash --norc --noprofile +o history -i');
  try {
    // Its own brackets would be taken for the chat's.
    terminal.type("bind 'set enable-bracketed-paste off'; stty -echo; PS1='SHELL'': '\r");
    await terminal.until('SHELL: ');
    terminal.type('eval "$CHAT"\r');
    await terminal.until(BRACKETS_ON);
    await terminal.until('> ');
    await use(terminal);
  } finally {
    terminal.close();
  }
}

/** @param {ReturnType<typeof onTerminal>} onTerminal */
async function answers({ type, until }) {
  type('Hello\r');
  await until('Hello');
  await until('> ');
}

/** The shell's word for the modes of its terminal. @param {ReturnType<typeof onTerminal>} onTerminal */
async function checkModes({ type, until }) {
  type('stty -a; echo "END"\r');
  assert.match(await until('END'), /[^-]icanon/);
}

describe('a chat on a terminal', () => {
  test('that is stopped by Ctrl-Z and goes on takes lines as before', OPTIONS, async () => {
    await withShell(async (terminal) => {
      const { type, until } = terminal;
      for (let round = 0; round < 2; round++) {
        type(CTRL_Z);
        assert.ok((await until('SHELL: ')).includes(BRACKETS_OFF));
        await checkModes(terminal);
        await until('SHELL: ');
        type('fg\r');
        await until(BRACKETS_ON);
        await until('> ');
        await answers(terminal);
      }
      type(CTRL_D);
      assert.ok((await until('SHELL: ')).includes(BRACKETS_OFF));
    });
  });

  test('keeps what was being typed, and an answer goes on', OPTIONS, async () => {
    await withShell(async (terminal) => {
      const { type, until } = terminal;
      type('Who are');
      await until('Who are');
      type(CTRL_Z);
      await until('SHELL: ');
      type('fg\r');
      await until('> Who are');
      type(' you?\r');
      await until('you?');
      type(CTRL_Z);
      await until('SHELL: ');
      type('fg\r');
      await until('> ');
      await answers(terminal);
    });
  });

  test('that another program stops and lets go on takes lines as before', OPTIONS, async () => {
    await withShell(async (terminal) => {
      const { type, until } = terminal;
      type(CTRL_Z);
      await until('SHELL: ');
      type('echo $(jobs -p) ID; fg\r');
      const [pid] = present(/\d+/.exec(await until(' ID')));
      await until('> ');
      process.kill(Number(pid), 'SIGSTOP');
      await until('SHELL: ');
      type('stty sane -echo; fg\r');
      await until('> ');
      await answers(terminal);
    });
  });

  test('goes on at once where nothing could let it go on', OPTIONS, async () => {
    const terminal = onTerminal('eval "exec $CHAT"');
    await terminal.until('> ');
    terminal.type(CTRL_Z);
    await terminal.until(BRACKETS_OFF);
    await terminal.until('> ');
    await answers(terminal);
    terminal.close();
  });

  for (const signal of ['TERM', 'HUP', 'QUIT']) {
    test(`that SIG${signal} ends leaves the terminal as it was`, OPTIONS, async () => {
      await withShell(async (shell) => {
        const { type, until } = shell;
        type(CTRL_Z);
        await until('SHELL: ');
        type('echo $(jobs -p) ID; fg\r');
        const [pid] = present(/\d+/.exec(await until(' ID')));
        await until(BRACKETS_ON);
        await until('> ');
        process.kill(Number(pid), `SIG${signal}`);
        assert.ok((await until('SHELL: ')).includes(BRACKETS_OFF));
        await checkModes(shell);
      });
    });
  }
});
