import type { Runner } from '../postgres/sql.js';
import { readPage } from './read-page.js';

/* What a page says of how far it goes, for what a statement answers. */
const answering = (...rows: object[]): Runner => ({ query: async <Row>() => rows as Row[] });
const at = (tx: number, id = 1, horizon = 100) => ({ tx: String(tx), id: String(id), horizon: String(horizon) });
const nothing = (horizon: number) => ({ tx: null, horizon: String(horizon) });
const AFTER = { tx: 50n, id: 7n };

it.each([
  ['is full: up to its last event', [at(60), at(61, 2)], { tx: 61n, id: 2n }],
  ['is not full: up to the horizon', [at(60)], { tx: 100n, id: 0n }],
  ['is empty: up to the horizon', [nothing(100)], { tx: 100n, id: 0n }],
  ['is empty, and the horizon is lower than it was: nowhere', [nothing(49)], AFTER],
  ['is empty, and the horizon is where the page begins: nowhere', [nothing(50)], AFTER],
])('a page that %s', async (_what, rows, position) => {
  const page = await readPage(answering(...rows), AFTER, 2);
  expect(page.position).toEqual(position);
  expect(page.rows).toHaveLength(rows.filter(({ tx }) => tx !== null).length);
});
