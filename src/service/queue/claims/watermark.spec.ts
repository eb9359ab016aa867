import fc from 'fast-check';
import { LOOK_BACK_MS, Watermark } from './watermark.js';

interface Row {
  rank: number;
  scheduled: Date;
  taskId: string;
}

const key = ({ scheduled, taskId }: { scheduled: Date | string; taskId: string }) =>
  `${scheduled === '-infinity' ? '' : (scheduled as Date).toISOString()} ${taskId}`;

/** What the statement does: each rank from its mark on, one rank after the other. */
const pick = (pending: Row[], marks: readonly { scheduled: Date | string; taskId: string }[], wanted: number) =>
  pending
    .filter((row) => key(row) > key(marks[row.rank] as Row))
    .sort((a, b) => a.rank - b.rank || (key(a) < key(b) ? -1 : 1))
    .slice(0, wanted);

const row = fc.record({
  rank: fc.nat({ max: 6 }),
  scheduled: fc.nat({ max: 50 }).map((ms) => new Date(ms)),
  taskId: fc.string({ minLength: 1 }),
});

describe('Watermark', () => {
  it('begins at the beginning, then at what was handed out last, rank by rank', () => {
    const watermark = new Watermark();
    expect(watermark.start(0)).toMatchObject({ atBeginning: true });
    watermark.handedOut([
      { rank: 0, scheduled: new Date(5), taskId: 'a' },
      { rank: 0, scheduled: new Date(5), taskId: 'b' },
      { rank: 6, scheduled: new Date(1), taskId: 'c' },
    ]);
    const { marks, atBeginning } = watermark.start(LOOK_BACK_MS - 1);
    expect(atBeginning).toBe(false);
    expect(marks).toHaveLength(7);
    expect([marks[0], marks[1], marks[6]]).toEqual([
      { scheduled: new Date(5), taskId: 'b' },
      { scheduled: '-infinity', taskId: '' },
      { scheduled: new Date(1), taskId: 'c' },
    ]);
  });

  it('looks from the beginning once a second', () => {
    const watermark = new Watermark();
    const looks = Array.from({ length: 40 }, (_, n) => watermark.start(n * 100).atBeginning);
    expect(looks.flatMap((back, n) => (back ? [n] : []))).toEqual([0, 10, 20, 30]);
  });

  it('whatever lands wherever, all is handed out within a second of looks, in the order of each look', () => {
    fc.assert(
      fc.property(fc.array(fc.array(row, { maxLength: 5 }), { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), (arrivals, wanted) => {
        const watermark = new Watermark();
        let pending: Row[] = [];
        const look = (now: number) => {
          const start = watermark.start(now);
          const rows = pick(pending, start.marks, wanted);
          watermark.handedOut(rows);
          pending = pending.filter((one) => !rows.includes(one));
          return rows.length;
        };
        arrivals.forEach((rows, n) => {
          pending.push(...rows);
          look(n * 10);
        });
        const since = arrivals.length * 10;
        // nothing new comes: each second shows at least one look from the beginning, and whatever is left of it
        const most = pending.length;
        for (let seconds = 1; seconds <= most + 1; seconds++) {
          const before = pending.length;
          if (look(since + seconds * LOOK_BACK_MS) === 0) expect(before).toBe(0);
        }
        expect(pending).toEqual([]);
      }),
    );
  });
});
