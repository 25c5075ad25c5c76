import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { strftime } from '../../js/jinja/strftime.js';
import { compile, raiseException, render, stringFunction, TemplateError } from '../../js/jinja/template.js';
import { partsOf, plain } from '../../js/jinja/text.js';

/** @typedef {import('../../js/jinja/template.js').ToValue} ToValue */

const LIMITS = { steps: 4e6, depth: 400, text: 1 << 22, items: 1 << 18, milliseconds: Infinity };
const MORNING = new Date(2024, 6, 6, 9, 5, 3);
/** @param {string} name */
const data = (name) => JSON.parse(readFileSync(new URL(`./${name}.json`, import.meta.url), 'utf8'));

/** @param {boolean} [isSaid] whether the variables are what somebody said @param {string} template */
function run(template, variables = {}, isSaid = true) {
  /** @param {ToValue} toValue */
  const values = (toValue) => ({
    raise_exception: raiseException,
    strftime_now: stringFunction('strftime_now', (format) => strftime(MORNING, format)),
    ...Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, toValue(value, isSaid)])),
  });
  return render(compile(template), values, LIMITS);
}

const { variables, templates } = data('templates');
const expected = data('expected');

for (const [what, isSaid] of Object.entries({ 'texts that are said': true, 'texts of its own': false })) {
  test(`renders as Jinja2 does, with ${what}`, () => {
    assert.equal(expected.length, templates.length);
    templates.forEach((/** @type {string} */ template, /** @type {number} */ index) => {
      let text = null;
      try {
        text = plain(run(template, variables, isSaid));
      } catch (/** @type {any} */ error) {
        assert.match(error.constructor.name, /^(Template|Raised|Limit)Error$/, `${template}: ${error.stack}`);
      }
      assert.equal(text, expected[index], template);
    });
  });
}

// Expected is what Jinja2 makes of them, but where a number would have to be computed with.
test('whole numbers beyond 2^53 are whole numbers of their own', () => {
  const big = 1132456789012345678n;
  const variables = { big, next: big + 1n, low: -big, whole: 2 ** 53, above: 2n ** 53n + 1n, power: 2n ** 60n };
  const renders = {
    '{{ big }} {{ low }} {{ -big }} {{ +big }} {{ low | abs }}': `${big} -${big} -${big} ${big} ${big}`,
    '{{ big is number }} {{ big is integer }} {{ big is float }} {{ big is true }}': 'True True False False',
    '{{ big == next }} {{ big < next }} {{ big >= next }} {{ whole == above }} {{ whole < above }}':
      'False True False False True',
    '{{ power == 2.0 ** 60 }} {{ power > 1.5 }} {{ {power: 1}[2.0 ** 60] }} {{ (power, 1) in [(2.0 ** 60, 1)] }}':
      'True True 1 True',
    '{{ [next, 5, big, low, 1.5] | sort }}': `[-${big}, 1.5, 5, ${big}, ${big + 1n}]`,
    '{{ [big, next] | max }} {{ [big, big, next] | unique | list | length }}': `${big + 1n} 2`,
    '{{ big | string | length }} {{ big ~ "x" }} {{ [big] }} {{ {big: big} }}': `19 ${big}x [${big}] {${big}: ${big}}`,
    '{{ {big: big} | tojson }} {{ [big] | tojson(indent=1) }}': `{"${big}": ${big}} [\n ${big}\n]`,
    '{{ "%d|%s|%x|%.1f" | format(big, big, power, power) }}': `${big}|${big}|1000000000000000|1152921504606846976.0`,
    '{{ "{}|{:d}|{:,}|{:>20}".format(big, low, big, big) }}': `${big}|-${big}|1,132,456,789,012,345,678| ${big}`,
    '{{ big | int }} {{ "1132456789012345678" | int }} {{ 1e20 | int }} {{ big | round }}': `${big} ${big} 100000000000000000000 ${big}`,
    '{{ big | float }} {{ power | float }}': '1.1324567890123457e+18 1.152921504606847e+18',
    '{{ "yes" if big else "no" }} {{ big in [next, big] }} {{ [1, 2][big] is defined }}': 'yes True False',
  };
  for (const [template, text] of Object.entries(renders)) assert.equal(plain(run(template, variables)), text, template);
  for (const template of ['{{ big + 1 }}', '{{ 2 * big }}', '{{ big % 2 }}', '{{ big is even }}', '{{ big ** 2 }}']) {
    assert.throws(() => run(template, variables), {
      message: 'a whole number is beyond 2^53, where it is computed with',
    });
  }
  for (const template of ['{{ range(big) }}', '{{ "x" * big }}', '{{ "abc"[:big] }}', '{{ "x" | center(big) }}']) {
    assert.throws(() => run(template, variables), { message: /is beyond 2\^53$/ });
  }
});

test('infinite numbers are equal to themselves in every comparison', () => {
  assert.equal(
    plain(run('{{ x <= x }} {{ x >= x }} {{ x == x }} {{ x < x }}', { x: Infinity })),
    'True True True False',
  );
});

// What is said is Chinese and nothing else is, so that each character tells where it comes from.
const SAID = { s: '一二 三  四\n五', l: ['六', '七', '八'], d: { 九: '十', 百: ['千', { 万: '亿' }] } };
/** @param {string} text */
const isChinese = (text) => /^\p{Script=Han}+$/u.test(text);

const TRACKED = [
  "{{ 'a' ~ s ~ 'b' }}",
  "{{ 'a' + s + 'b' }}",
  '{{ s[1:5] }}{{ s[0] }}{{ s[::-1] }}',
  "{{ (' x' + s + ' ') | trim }}{{ ('xx' ~ s).strip('x') }}",
  "{% for x in s.split() %}<{{ x }}>{% endfor %}{{ s.split('二') }}{{ s.rsplit(none, 1) | join('|') }}",
  "{{ s | replace('二', '<b>') }}{{ 'a-b'.replace('-', s) }}{{ s.replace('', '-') }}",
  "{{ s | upper }}{{ ('ab' ~ s) | title }}{{ ('ab' ~ s) | capitalize }}",
  "{{ l | join(', ') }}{{ l }}{{ l | list }}{{ ', '.join(l) }}{{ l | map('upper') | join }}",
  '{{ d }}{{ d | tojson }}{{ d | tojson(indent=2) }}{{ l | tojson }}',
  "{{ '%s and %s' % (s, 'b') }}{{ '%5s|' % l[0] }}{{ 'x {} {a}'.format(l[0], a=l[1]) }}",
  '{{ s | indent(2) }}{{ s | center(40) }}{{ l[0].ljust(4) }}{{ l[0].zfill(4) }}',
  "{{ s.partition('三') }}{{ s.splitlines() }}{{ s | reverse }}{{ s | list }}",
  '{% for k, v in d.items() %}{{ k }}={{ v }}{% endfor %}',
  '{% for k, v in dict(**d).items() %}{{ k }}={{ v }}{% endfor %}{{ dict(d) }}{{ dict(a=l[0], **d) | tojson }}',
  '{% macro m(a) %}{{ a }}{{ kwargs }}{% endmacro %}{{ m(l[0], b=1, **d) }}{{ m(**dict(**d)) }}',
  '{% macro m() %}{{ kwargs.keys() | list }}{% endmacro %}{% macro n() %}{{ m(**kwargs) }}{% endmacro %}{{ n(**d) }}',
  '{{ namespace(**d) }}{{ namespace(d) }}',
  '{% set x %}a{{ s }}b{% endset %}{{ x }}{% filter upper %}a{{ s }}{% endfilter %}',
  '{% macro m(x) %}[{{ x }}{{ caller() }}]{% endmacro %}{% call m(s) %}a{{ l[0] }}{% endcall %}',
  '{% set ns = namespace(t="") %}{% for x in l %}{% set ns.t = ns.t ~ "," ~ x %}{% endfor %}{{ ns.t }}',
  '{{ s if "二" in s else "no" }}{{ l[0] == "六" }}{{ s | length }}{{ {"六": "mine"}[l[0]] }}',
  '{{ s | truncate(6, true) }}{{ ("a" ~ s) | e }}{{ s | string }}{{ none_such | default(s) }}',
  "{{ s.removeprefix('一') }}{{ s.removesuffix('五') }}{{ l | first }}{{ l | last }}{{ l | max }}{{ l | sort }}",
];

test('it is known of each character who wrote it', () => {
  for (const template of TRACKED) {
    const text = run(template, SAID);
    assert.ok(plain(text) !== '', template);
    for (const { value, isMarked } of partsOf(text)) {
      for (const character of value.replace(/\\n|[\s"']/g, '')) {
        assert.equal(isMarked, isChinese(character), `${character} in ${JSON.stringify(value)} of ${template}`);
      }
    }
  }
});

test('what is made of a said text in any other way is said, too', () => {
  const templates = ['{{ s | urlencode }}', '{{ "ß" ~ s | upper }}', '{{ "%s" | format(s) }}', '{{ s.casefold() }}'];
  for (const template of templates) {
    for (const { value, isMarked } of partsOf(run(template, { s: 'ßẞ<|end|>' }))) {
      assert.ok(isMarked || !/end/i.test(value), template);
    }
  }
});

test('an unknown filter or test is found before anything is written, unless it is never reached', () => {
  /** @param {string} template @param {RegExp} reason */
  const refuses = (template, reason) => assert.throws(() => compile(template), { message: reason });
  refuses('{{ x | no_such }}', /no filter 'no_such', which stands in line 1/);
  refuses('a\n\n{{ x is no_such }}', /no test 'no_such', which stands in line 3/);
  compile('{% if false %}{{ x | no_such }}{% endif %}');
  compile('{{ (x | no_such) if false }}');
});

test('an error of the grammar names its line', () => {
  for (const template of [
    '\n\n{% if %}',
    '\n\n{{ 1 + }}',
    '\n\n{% nothing %}',
    "\n\n{% include 'x' %}",
    '\n\n{{ "a }}',
  ]) {
    assert.throws(() => compile(template), { message: /line 3/ }, template);
  }
});

test('a million digits that are no number are soon known for none', () => {
  const digits = `${'1'.repeat(1 << 20)}x`;
  for (const filter of ['float', 'int']) assert.equal(run(`{{ said|${filter}(7) }}`, { said: digits }), '7');
  for (const [text, number] of Object.entries({ '1.': '1.0', '.5': '0.5', '1.5e3': '1500.0', '1e': '7', '.': '7' }))
    assert.equal(run('{{ said|float(7) }}', { said: text }), number, text);
});

test('none is a value wherever it is found', () => {
  assert.equal(run('{% set ns = namespace(x=none) %}{{ ns["x"] is none }} {{ ns["y"] is defined }}'), 'True False');
  assert.equal(
    run('{{ ([1, none] | last) is none }} {{ ([none, 1] | first) is none }} {{ [] | last is defined }}'),
    'True True False',
  );
  assert.equal(run('{{ {"a": none}.get("a", 1) is none }} {{ {"a": none}.a is none }}'), 'True True');
});

test('what a template passes in a wrong kind is its error, said in words', () => {
  const wrong = {
    '{{ [1] | map(none) }}': 'the name of a filter has to be a string',
    '{{ [1] | select(5) | list }}': 'the name of a test has to be a string',
    '{{ {"a": 1} | dictsort(by=none) }}': 'by has to be a string',
    "{{ '%c' % nowhere }}": "'nowhere' is undefined",
    "{{ '%c' % -1 }}": 'there is no character -1',
    "{{ dict(['a']) }}": 'an entry has 1 values where a pair is expected',
  };
  for (const [template, message] of Object.entries(wrong)) {
    assert.throws(() => run(template), { constructor: TemplateError, message }, template);
  }
});
