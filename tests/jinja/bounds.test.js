// What a chat template may cost: it is the file's own program, and whatever it does is counted before it is done.
import assert from 'node:assert/strict';
import test from 'node:test';
import { compile, LimitError, render } from '../../js/jinja/template.js';
import { plain } from '../../js/jinja/text.js';

// No clock: what ends a template here is counted.
const LIMITS = { steps: 2e6, depth: 400, text: 1 << 21, items: 1 << 18, milliseconds: Infinity };

/** @param {string} template */
const run = (template) =>
  plain(render(compile(template), (toValue) => ({ said: toValue('S', true), key: toValue('k', true) }), LIMITS));

// Each goes through some hundred megabytes and more, at one place of the template.
const COSTLY = {
  'a filter of each of many texts': "{% set x = 'a' * 10000 %}{{ ([x] * 200000) | map('capitalize') | list | length }}",
  'the same filter over and over': "{% set x = '%' * 20000 %}{{ ([x] * 200000) | map('urlencode') | list | length }}",
  'a test of each of many texts': "{% set x = 'A' * 10000 %}{{ ([x] * 200000) | select('upper') | list | length }}",
  'long texts told apart': "{% set x = 'a' * 10000 %}{{ ([x] * 200000) | unique | list | length }}",
  'long texts in order': "{% set x = 'A' * 10000 %}{{ ([x] * 200000) | max | length }}",
  'long texts as keys': "{% set x = 'a' * 10000 %}{{ dict([[x, 1]] * 200000) | length }}",
  'a long path to an attribute': "{{ ([1] * 20000) | map(attribute='.' * 2000, default='x') | list | length }}",
  'copies of a list': `{% set f = ([0] * 200000).copy %}{% set ns = namespace(a=0) %}
    {% for i in range(500) %}{% set ns.a = f() %}{% endfor %}`,
  'the entries of a mapping': `{% set d = dict(range(50000) | batch(2)) %}{% set f = d.items %}
    {% for i in range(2000) %}{% set x = f() %}{% endfor %}`,
  'the entries of a mapping, by the filter': `{% set d = dict(range(50000) | batch(2)) %}
    {% for i in range(2000) %}{% set x = d | items %}{% endfor %}`,
  'copies of a mapping': `{% set f = dict(range(50000) | batch(2)).copy %}
    {% for i in range(1000) %}{% set x = f() %}{% endfor %}`,
  'many short lines': `{% set s = 'ab\n' * 340000 %}
    {% for i in range(100) %}{% set x = s.splitlines() %}{% endfor %}`,
  'many short rows': `{% set r = range(100000) %}
    {% for i in range(100) %}{% set x = r | batch(1) %}{% endfor %}`,
  'arguments by name': `{% macro m() %}{{ kwargs | length }}{% endmacro %}
    {% set d = dict(range(50000) | map('string') | batch(2)) %}
    {% for i in range(2000) %}{% set x = m(**d) %}{% endfor %}`,
};

for (const [what, template] of Object.entries(COSTLY)) {
  test(`costs what it takes: ${what}`, () => {
    assert.throws(() => run(template), { name: 'Error', message: 'does too much work' });
  });
}

test('a text of many marks costs what it takes', () => {
  const copies = '{% set ns = namespace(a=0) %}{% for i in range(100) %}{% set ns.a = (ns.a, t ~ i) %}{% endfor %}';
  assert.throws(() => run(`{% set t = ([said] * 200000) | join('x') %}${copies}`), LimitError);
});

test('a text of many marks is cut at each of them', () => {
  const text = "{% set t = ([said] * 120000) | join('x') %}";
  assert.equal(run(`${text}{{ t.split('x') | length }}`), '120000');
  assert.equal(run(`${text}{{ t.replace('x', 'y').count('y') }}`), '119999');
  assert.equal(run(`${text}{{ t[1:-1:2] | length }}`), '119999');
});

test('a tuple is a key as long as it is short', () => {
  /** @param {string} by @param {number} times */
  const grow = (by, times) =>
    `{% set ns = namespace(t=('a',)) %}{% for i in range(${times}) %}{% set ns.t = ${by} %}{% endfor %}`;
  assert.throws(() => run(`${grow('(ns.t, ns.t)', 24)}{{ {ns.t: 1} | length }}`), LimitError);
  assert.equal(run(`${grow('(ns.t,)', 26)}{{ {ns.t: 1}[ns.t] }}`), '1');
  assert.equal(run("{{ {(1, 'a'): 1, (1.0, 'a'): 2, (1, ('a',)): 3, ('1', 'a'): 4, ('1,1:\"a',): 5} | length }}"), '4');
});

test('a format names its values shortly', () => {
  assert.throws(() => run("{{ ('{' ~ '[' * 20000 ~ '}').format() }}"), { message: /by more than 1000 characters/ });
});

test('a long text is sliced as a short one, and not as a list', () => {
  assert.equal(run("{{ ('a' * 600000)[1:] | length }} {{ ('a' * 600000)[::-2] | length }}"), '599999 300000');
});

test("what JavaScript's objects have is nothing to a template", () => {
  assert.equal(run("{% set g = ([{'a': 1}] | groupby('a') | first) %}{{ g.constructor }}{{ g.grouper }}"), '1');
  assert.throws(() => run("{{ {'a': 1} | dictsort(by='constructor') }}"), { message: /sorts by "key" or by "value"/ });
});

test('what takes too long by the clock is ended between two pieces of work', (t) => {
  const endless = '{% for i in range(100000) %}{% endfor %}';
  const within = (/** @type {number} */ milliseconds) =>
    render(compile(endless), () => ({}), { ...LIMITS, milliseconds });
  let now = 0;
  t.mock.method(performance, 'now', () => now++);
  assert.throws(() => within(3), { name: 'Error', message: 'takes too long' });
  assert.equal(plain(within(1e9)), '');
});
