import { setTimeout as sleep } from 'node:timers/promises';
import { logTo } from '../log.js';
import type { Answer } from '../queue/ask.js';
import { ClaimLoop, type ClaimTerms, type Lesson, type Offer } from './claim-loop.js';

interface Asked {
  taskQueueId: string;
  key: string;
  tasks: number;
}

const answer = (members: Partial<Answer>): Answer => ({
  ...{
    status: 200,
    body: { tasks: [] },
    message: '',
    isQueues: true,
    retryAfter: 0,
    asked: performance.now(),
    at: performance.now(),
    queueNow: Date.now(),
  },
  ...members,
});
const tasks = (...claims: unknown[]) => answer({ body: { tasks: claims } });

/** A loop whose questions are answered by the given answers, one after the other, and then by nobody. */
function loopOf(answers: Answer[], members: Partial<ClaimTerms> = {}, lesson: Partial<Lesson> = {}) {
  const [asked, begun, declined]: [Asked[], Offer[], Offer[]] = [[], [], []];
  const ends: (() => void)[] = [];
  const loop = new ClaimLoop({
    ...{ taskQueues: ['a/a'], capacity: 2, log: logTo(() => undefined), assertCanVerify: () => undefined },
    ask: async (question, { signal, within }) => {
      asked.push(question);
      const next = answers.shift();
      if (next) return next;
      await sleep(within, undefined, { signal }).catch(() => undefined);
      return answer({ status: 0, at: performance.now() });
    },
    run: (offer, learn) => {
      begun.push(offer);
      if ('ownFault' in lesson || 'elsewhere' in lesson) learn({ elsewhere: false, ownFault: false, ...lesson });
      return new Promise((resolve) => ends.push(resolve));
    },
    decline: async (offer) => void declined.push(offer),
    ...members,
  });
  const over = loop.run();
  const end = async () => {
    loop.stop();
    await over;
    for (const one of ends) one();
    await loop.idle();
  };
  return { loop, asked, begun, declined, ends, end };
}

const settled = () => sleep(20);

it('asks for as much as there is room, and gives back what is more', async () => {
  const { asked, begun, declined, ends, end } = loopOf([tasks('one'), tasks('two', 'three')]);
  await settled();
  expect(asked.map(({ tasks: wanted }) => wanted)).toEqual([2, 1]);
  expect([begun.map(({ claim }) => claim), declined.map(({ claim }) => claim)]).toEqual([['one', 'two'], ['three']]);
  ends[0]!();
  await settled();
  expect(asked).toHaveLength(3);
  await end();
});

it('gives back a few at a time, and looks at no more claims than can have been asked for', async () => {
  const many = Array.from({ length: 2_000 }, (_, index) => index);
  let [now, most] = [0, 0];
  const declined: unknown[] = [];
  const decline = async ({ claim }: Offer) => {
    most = Math.max(most, ++now);
    await sleep(1);
    now--;
    declined.push(claim);
  };
  const answers = [tasks(...many)];
  const { begun, end, ends, loop } = loopOf(answers, { decline });
  await settled();
  ends[0]!(); // room for another question, which is under way at the end
  await settled();
  await end();
  expect([begun.length, declined, most]).toEqual([2, many.slice(2, 32), 4]);
  answers.push(tasks(...many));
  await loop.lastCall(new AbortController().signal);
  expect([declined.length, most]).toEqual([30 + 32, 4]);
});

it('asks for nothing more while there are claims to be given back', async () => {
  const ends: (() => void)[] = [];
  const ask = async () => {
    await sleep(1);
    return tasks(...Array(32).keys());
  };
  let asked = 0;
  const { end } = loopOf([], {
    ask: async () => {
      asked++;
      return ask();
    },
    run: async () => undefined, // refused at once
    decline: () => new Promise((resolve) => ends.push(resolve)),
  });
  await sleep(200);
  expect([asked, ends.length]).toEqual([1, 4]);
  for (let waited = 0; asked < 2 && waited < 100; waited++) {
    for (const one of ends.splice(0)) one();
    await sleep(5);
  }
  expect(asked).toBe(2);
  const giving = setInterval(() => ends.splice(0).forEach((one) => void one()), 1);
  await end();
  clearInterval(giving);
});

it('keeps the key of a question until it is answered, and then takes another one', async () => {
  const lost = () => answer({ status: 0, message: 'lost' });
  const { asked, end } = loopOf([lost(), lost(), tasks('one')]);
  await sleep(50);
  for (let waited = 0; asked.length < 4 && waited < 8_000; waited += 50) await sleep(50);
  await end();
  expect(new Set(asked.slice(0, 3).map(({ key }) => key)).size).toBe(1);
  expect(asked[3]!.key).not.toBe(asked[2]!.key);
});

it('what may be under way at the end comes back by the same key, and is given back', async () => {
  const answers: Answer[] = [];
  const { loop, asked, declined, begun, end } = loopOf(answers);
  await settled();
  await end();
  answers.push(tasks('late'));
  await loop.lastCall(new AbortController().signal);
  expect(asked.map(({ key }) => key)).toEqual([asked[0]!.key, asked[0]!.key]);
  expect([begun, declined.map(({ claim }) => claim)]).toEqual([[], ['late']]);
});

it('one task queue that refuses us does not keep us from the others', async () => {
  const refused = answer({ status: 403, body: {}, message: '403: no' });
  const { asked, begun, end } = loopOf([refused, tasks('one')], { taskQueues: ['a/a', 'b/b'] });
  await settled();
  expect(asked.slice(0, 2).map(({ taskQueueId }) => taskQueueId)).toEqual(['a/a', 'b/b']);
  expect(begun.map(({ taskQueueId }) => taskQueueId)).toEqual(['b/b']);
  await end();
});

it.each([{ elsewhere: true }, { ownFault: true }])('asks for nothing more where a claim teaches %o', async (lesson) => {
  const { asked, begun, declined, end } = loopOf([tasks('one', 'two')], {}, lesson);
  await settled();
  expect(asked).toHaveLength(1);
  expect(begun.length + declined.length).toBe(2);
  await end();
});

it('asks for nothing where it could check nothing', async () => {
  const { asked, end } = loopOf([tasks('one')], {
    assertCanVerify: () => {
      throw new Error('no keys');
    },
  });
  await settled();
  expect(asked).toEqual([]);
  await end();
});
