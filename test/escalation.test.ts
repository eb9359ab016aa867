import { generateKeyPair } from 'jose';
import { ForeignScopes } from './support/foreign-scopes.js';
import { codeWithBug, type IssuingCode, REAL_CODE } from './support/issuing-code.js';
import { AUDIENCE, ISSUER, IssuingWorld, type TokenKeys } from './support/issuing-world.js';
import { SEEDED_BUGS } from './support/seeded-bugs.js';
import { SeededRandom } from './support/seeded-random.js';
import { Seen } from './support/seen.js';
import { Beyond, Verdict } from './support/verdict.js';

/*
 * Random roles, clients, tasks and runs, and all that is issued to them: nobody may be given what was not its creator's to give, nor less
 * than that. What was issued is read back from its text, taken by the code that authenticates, and judged by an oracle that shares nothing
 * with it (support/scope-oracle.ts). The same code with a mistake in it must be found out.
 *
 * The seed is fixed: FC_SEED takes another; a world that fails names itself, and FC_WORLD plays that one alone. FC_CREDENTIALS issues more.
 */
const SEED = Number(process.env.FC_SEED ?? 5);
const CREDENTIALS = Number(process.env.FC_CREDENTIALS ?? 90_000);
const TOKENS = CREDENTIALS / 9;
const WORLD = process.env.FC_WORLD;

let keys: TokenKeys;
beforeAll(async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const kid = 'fuzz';
  keys = { kid, publicKey, privateKey, foreign: await ForeignScopes.knowing({ issuer: ISSUER, audience: AUDIENCE, kid, publicKey }) };
});

interface Volume {
  credentials: number;
  tokens: number;
}

/** Side by side, so that one is played while another waits for a signature. Each has its own random choices, so none depends on another. */
const AT_ONCE = 8;

/** Plays worlds until so much was issued. Throws the first Verdict, with what it takes to see it again. */
async function playWorlds(code: IssuingCode, { credentials, tokens }: Volume): Promise<Seen> {
  const seen = new Seen();
  if (WORLD !== undefined) await playWorld(code, Number(WORLD), seen);
  for (let world = 0; WORLD === undefined && (seen.credentials < credentials || seen.tokens < tokens); world += AT_ONCE) {
    if (world > credentials) throw new Error(`worlds issue nothing: ${JSON.stringify(Object.fromEntries(seen.counts))}`);
    const played = await Promise.allSettled(Array.from({ length: AT_ONCE }, (_, at) => playWorld(code, world + at, seen)));
    for (const one of played) if (one.status === 'rejected') throw one.reason;
  }
  return seen;
}

async function playWorld(code: IssuingCode, world: number, seen: Seen): Promise<void> {
  try {
    await new IssuingWorld(code, new SeededRandom(SEED, world), seen, keys).play();
    seen.see('world');
  } catch (error) {
    if (error instanceof Verdict) throw new Verdict(`FC_SEED=${SEED} FC_WORLD=${world}: ${error.message}`);
    if (!(error instanceof Beyond)) throw error;
    seen.see('world passed over');
  }
}

/** Each of these is a way to be wrong; worlds that seldom lead there would prove nothing. For the volume of a normal run. */
const LEAST: Record<string, number> = {
  'role admitted': 20_000,
  'role refused': 3_000,
  'temporary credentials taken': 10_000,
  'temporary credentials refused': 8_000,
  'named ones taken': 50,
  'issued by others': 1_500,
  'authorizedScopes taken': 6_000,
  'authorizedScopes refused': 1_500,
  'task taken': 35_000,
  'task refused': 15_000,
  'by way of a role': 20_000,
  'by a parameter': 7_000,
  'by a prefix': 7_000,
  'a pattern': 8_000,
  'odd characters': 30_000,
  'a star in the middle': 7_000,
  'two stars': 1_000,
  'very long': 100,
  'only the role in the certificate': 100,
  'worker rewritten': 400,
  'token given': 9_000,
  'token refused': 2_000,
  'token of several scopes': 3_000,
  'token without scopes': 1_000,
  'not joined': 1_000,
  'nothing lost': 6_000,
  reduced: 2_000,
  'a child reduced': 500,
  'reduced and restricted': 1_500,
  'probe held': 15_000,
  'probe not held': 50_000,
};

const print = (told: object) => process.stdout.write(`escalation: ${JSON.stringify(told)}\n`);

it('nothing is issued beyond what its creator holds, and nothing that its creator holds is refused', async () => {
  const seen = await playWorlds(REAL_CODE, { credentials: CREDENTIALS, tokens: TOKENS });
  print({ seed: SEED, credentials: seen.credentials, tokens: seen.tokens, ...Object.fromEntries(seen.counts) });
  if (WORLD !== undefined) return;
  expect(seen.credentials + seen.tokens).toBeGreaterThanOrEqual(CREDENTIALS + TOKENS);
  const part = CREDENTIALS / 90_000;
  const least = Object.fromEntries(Object.entries(LEAST).map(([what, count]) => [what, Math.floor(count * part)]));
  expect(seen.missing(least)).toEqual([]);
  expect(seen.counts.get('world passed over') ?? 0).toBeLessThan(seen.counts.get('world')! / 100);
}, 300_000);

describe('a seeded bug is found out', () => {
  it.each(SEEDED_BUGS)(
    '$told',
    async (bug) => {
      const { code, done } = await codeWithBug(bug);
      try {
        // by a verdict of the oracle, in no more worlds than the real code must stand
        await expect(playWorlds(code, { credentials: CREDENTIALS, tokens: TOKENS })).rejects.toThrow(Verdict);
      } finally {
        done();
      }
    },
    300_000,
  );
});
