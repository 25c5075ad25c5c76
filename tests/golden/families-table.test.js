// models/FAMILIES.md against the golden tests: the same models, types and bars, and divergences within them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DOCUMENT, fixedCells, MEASURED, namesInOrder, rowsIn } from './families-table.js';

const AGAIN = '"node tests/golden/families-table.js" writes it anew';

test('the table of families has each golden model with its types and bars', () => {
  const rows = rowsIn(readFileSync(DOCUMENT, 'utf8'));
  assert.deepEqual(
    rows.map((cells) => cells[1].replaceAll('`', '')),
    namesInOrder(),
    AGAIN,
  );
  for (const cells of rows) {
    const name = cells[1].replaceAll('`', '');
    for (const [index, expected] of fixedCells(name)) assert.equal(cells[index], expected, `${name}: ${AGAIN}`);
    for (const [measured, bar] of MEASURED) {
      const [value, most] = [cells[measured], cells[bar]].map(Number);
      assert.ok(value >= 0, `${name}: "${cells[measured]}" is no divergence`);
      assert.ok(cells[bar] === '-' || value <= most, `${name}: ${value} of ${most}`);
    }
    for (const rate of cells.slice(-2)) assert.match(rate, /^(-|[1-9]\d*|\d+\.\d+)$/, `${name}: "${rate}" is no rate`);
  }
});
