import { decodeJwt } from 'jose';
import { type Answer, type Api, type Credentials, definition, slugid } from './support/api.js';
import { covers, givenToRun, isSpeakable, namesWorker, type Role } from './support/scope-oracle.js';
import { ScopeWords, UNSPEAKABLE } from './support/scope-words.js';
import { SeededRandom } from './support/seeded-random.js';
import { exchange, HERE, postForm } from './support/task-tokens.js';
import { ok, Tasks } from './support/tasks.js';
import { startTestService, type TestService } from './support/test-service.js';
import { amount, Beyond, condemn, judge } from './support/verdict.js';

/*
 * The same question as in escalation.test.ts, asked of the service as a whole: who is let in, who is refused, and what credentials and tokens
 * are worth is compared with the oracle at each call. The seed is fixed: FC_SEED takes another, FC_WORLDS more worlds, and
 * FC_WORLD plays one alone.
 */
const SEED = Number(process.env.FC_SEED ?? 5);
const WORLDS = Number(process.env.FC_WORLDS ?? 14);
const WORLD = process.env.FC_WORLD;

const ANONYMOUS = 'assume:anonymous';
const WORKER = { workerGroup: 'g', workerId: 'w' };
const AUDIENCE = 'https://api.example.com';
const DAY = 86_400_000;
/** Characters: more than a certificate may spend on scopes. */
const VERY_LONG = 1_300;

/** What it takes to create a task at all, and to ask what one may do. */
const TO_CREATE = ['queue:create-task:lowest:fuzz/q', 'queue:create-task:project:none', 'queue:scheduler-id:-'];
const TO_ASK = 'auth:current-scopes';

let test: TestService;
let worker: Tasks;
let resource: Api;
beforeAll(async () => {
  test = await startTestService({ sweepInterval: 600, claimPoll: 0, rootUrl: HERE, issuerUrl: HERE });
  worker = new Tasks(await test.client('queue:claim-task:fuzz/q', 'queue:worker-id:g/w'), test.database);
  resource = await test.client('auth:introspect:*');
});
afterAll(() => test.close());

const seen = new Map<string, number>();
const see = (...what: (string | false)[]) => {
  for (const one of what) if (one) seen.set(one, (seen.get(one) ?? 0) + 1);
};

const isWorker = (scope: string) => namesWorker(scope, 'g/w');

/** Who calls: as the service knows them, and as the oracle does. */
interface Holder {
  api: Api;
  /** What it was given, not expanded. */
  scopes: string[];
  /** The run's own, if it is one. */
  own: string[];
}

interface Run extends Holder {
  taskId: string;
  /** Of task.scopes, what it was lent last. */
  left: string[];
  creator: Holder;
  credentials: Credentials;
}

class HttpWorld {
  private readonly words: ScopeWords;
  private roles: Role[] = [];

  constructor(
    private readonly random: SeededRandom,
    private readonly name: string,
  ) {
    this.words = new ScopeWords(random);
  }

  async play(): Promise<void> {
    const { random } = this;
    try {
      for (const role of random.list(3, 9, () => this.role())) await this.put(role);
      const clients = [await this.client(0), await this.client(1)];
      const runs: Run[] = [];
      for (let task = 0; task < 10; task++) await this.run(random.pick([...clients, ...clients, ...runs]), (run) => runs.push(run));
      for (const run of runs) await this.use(run);
      await this.change(clients);
      for (const run of runs) await this.reclaim(run);
    } finally {
      for (const { roleId } of this.roles) await test.root.delete(rolePath(roleId));
    }
  }

  private role(): Role {
    const { random, words } = this;
    const granted = () => (random.chance(0.4) ? words.assuming(this.roles.map(({ roleId }) => roleId)) : words.granted());
    const odd = random.chance(0.05) ? [random.pick(UNSPEAKABLE)] : [];
    const roleId = random.chance(0.05) ? random.pick(UNSPEAKABLE.filter(Boolean)) : words.roleId();
    return { roleId, scopes: [...new Set([...random.list(1, 4, granted), ...odd])] };
  }

  /** As an administrator: what is no scope is refused, and what is neither is it, unless roles would go round in circles. */
  private async put(role: Role): Promise<void> {
    const { roleId, scopes } = role;
    if (/^\.\.?$/.test(roleId) || !roleId.isWellFormed() || this.roles.some((one) => one.roleId === roleId)) return; // no URL says it
    const { status, body } = await test.root.put(rolePath(roleId), { description: '', scopes });
    const speakable = isSpeakable(roleId) && scopes.every(isSpeakable);
    const sound = speakable && !scopes.some((scope) => scope.endsWith('**'));
    const message = String(body.message);
    if (status !== 200 && (status !== 400 || (sound && !/assume|<\.\.>|cycle|multiplies|grant/.test(message))))
      condemn('a role', { role, status, body });
    if (status === 200 && !sound) condemn('a role that nobody may make', { role });
    see(status === 200 ? 'role put' : sound ? 'unsound role refused' : 'odd role refused');
    if (status === 200) this.roles.push(role);
  }

  private wishes(held: readonly string[]): string[] {
    const { random, words } = this;
    const honest = random.chance(0.6);
    const wish = () => {
      if (honest || random.chance(0.4)) return words.within(random.pick(held));
      return random.chance(0.6) ? words.near(random.pick(held)) : words.scope();
    };
    const wishes = random.list(0, 4, wish).filter(isSpeakable);
    const [patterns, workers] = [held.filter((scope) => /^x[^*]*\*$/.test(scope)), held.filter(isWorker)];
    const runs = held.filter((scope) => scope.startsWith('queue:resolve-task:'));
    if (runs.length > 0 && random.chance(0.4)) wishes.push(random.pick(runs));
    if (patterns.length > 0 && random.chance(0.12)) wishes.push(random.pick(patterns).replace('*', '').padEnd(VERY_LONG, 'z'));
    if (workers.length > 0 && random.chance(0.3)) wishes.push(random.pick(workers));
    return random.chance(0.06) ? [...wishes, random.pick(UNSPEAKABLE)] : wishes;
  }

  private async client(number: number): Promise<Holder> {
    const { random, words } = this;
    const ids = this.roles.map(({ roleId }) => roleId);
    const some = random.list(1, 5, () => (random.chance(0.6) ? words.assuming(ids) : words.scope()));
    if (random.chance(0.4)) some.push('assume:worker-id:*');
    const scopes = [...new Set([...TO_CREATE, TO_ASK, ...some.filter((scope) => !scope.endsWith('**'))])];
    const clientId = `fuzz/${this.name}/${number}`;
    const body = { expires: new Date(Date.now() + DAY).toISOString(), description: '', scopes };
    const odd = { ...body, scopes: [...scopes, random.pick(UNSPEAKABLE)] };
    const refused = await test.root.put(clientPath(clientId), odd);
    if (refused.status !== 400) condemn('a client that nobody may make', { odd, refused });
    see('odd client refused');
    const { accessToken } = await ok(test.root.put(clientPath(clientId), body));
    const api = test.root.as({ clientId, accessToken });
    const client = { api, scopes: [...scopes, ANONYMOUS], own: [] };
    await this.worth('a client', client, scopes, client.scopes);
    return client;
  }

  private amountOf({ scopes, own }: Pick<Holder, 'scopes' | 'own'>): string[] {
    return amount(scopes, this.roles, own.length > 0 ? isWorker : undefined);
  }

  /** A task of random scopes, if its creator may, and its run. */
  private async run(creator: Holder, keep: (run: Run) => void): Promise<void> {
    const { random } = this;
    const held = this.amountOf(creator);
    const basics = [...TO_CREATE, TO_ASK].filter(() => random.chance(0.85));
    const scopes = [...new Set([...this.wishes(held), ...basics.filter((scope) => covers(held, scope) || random.chance(0.1))])];
    const taskId = slugid();
    const answer = await creator.api.put(`/queue/v1/task/${taskId}`, definition({ taskQueueId: 'fuzz/q', scopes }));
    const may = [...scopes, ...TO_CREATE].every((scope) => covers(held, scope));
    const slip = scopes.some((scope) => scope.endsWith('**'));
    const due = !scopes.every(isSpeakable) ? 400 : !may ? 403 : slip ? 400 : 200;
    this.expect(answer, due, 'createTask', { creator, scopes });
    see(creator.own.length > 0 && `createTask of a run ${due}`);
    if (due !== 200) return;
    const own = givenToRun(taskId, 0);
    const { credentials } = await ok(worker.claimTask(taskId, 0, WORKER));
    const { left, source } = this.leftTo(creator, scopes);
    const api = test.root.as(credentials);
    const run = { api, scopes: [...rewritten(left, own), ...own, ANONYMOUS], own, taskId, left, creator, credentials };
    await this.worth('credentials of a run', run, [...source, ...own], run.scopes);
    see(scopes.some((scope) => !covers(creator.scopes, scope)) && 'by way of a role', left.some(isWorker) && 'worker rewritten');
    see(left.length < scopes.length && 'not a grandchild’s');
    keep(run);
  }

  private expect(answer: Answer, due: number, what: string, facts: object): void {
    const { status, body } = answer;
    if (status !== due) condemn(`${what} answered ${status}, not ${due}`, { roles: this.roles, ...facts, body });
    see(`${what} ${due}`);
  }

  /** What the service says that they may do, and what they may do of that. */
  private async worth(
    kind: string,
    holder: Holder & { credentials?: Credentials | undefined },
    source: string[],
    asked: string[],
    authorization?: string,
  ) {
    const { roles } = this;
    const leftOut = holder.own.length > 0 ? isWorker : undefined;
    const due = amount(asked, roles, leftOut);
    const answer = await holder.api.get('/auth/v1/scopes/current', authorization === undefined ? {} : { authorization });
    this.expect(answer, covers(due, TO_ASK) ? 200 : 403, `${kind}: currentScopes`, { source, asked });
    if (answer.status !== 200) return;
    const issued = holder.credentials?.certificate ? JSON.parse(holder.credentials.certificate).scopes : [];
    see(issued.length === 1 && 'only the role in the certificate');
    const terms = { roles, source: [...source, ANONYMOUS], asked, ...(leftOut ? { leftOut } : {}) };
    judge({ kind, scopes: issued, effective: answer.body.scopes }, terms);
  }

  /** Restricted, exchanged for a token, introspected. */
  private async use(run: Run): Promise<void> {
    const { random } = this;
    const held = this.amountOf(run);
    const authorizedScopes = random.chance(0.3)
      ? [...this.wishes(held).filter(isSpeakable), ...(random.chance(0.5) ? run.own : [])]
      : undefined;
    const asked = authorizedScopes ? [...rewritten(authorizedScopes, run.own), ANONYMOUS] : run.scopes;
    const may = asked.every((scope) => covers(held, scope));
    const part = may ? amount(asked, this.roles, isWorker) : held;
    const audience = random.pick([AUDIENCE, HERE, HERE]);
    const form = [...this.wishes(part), ...(covers(part, TO_ASK) && random.chance(0.5) ? [TO_ASK] : [])].join(' ');
    const named = [...new Set(form === '' ? [] : form.split(' '))];
    const given = named.every((scope) => isSpeakable(scope) && covers(part, scope) && !isWorker(scope));
    const whole = covers(part, run.own[0]!) || covers(part, `auth:exchange-token:${audience}`);
    const options = authorizedScopes ? { authorizedScopes } : {};
    const answer = await exchange(run.api, { audience, scope: form === '' ? undefined : form }, options);
    this.expect(answer, !may ? 401 : given && whole ? 200 : 400, 'exchange', { run, authorizedScopes, form, audience });
    see(given && !whole && 'a part turned away from an audience');
    if (answer.status !== 200) return;
    const { access_token: token } = answer.body;
    const { scope } = decodeJwt<{ scope?: string }>(token);
    const said = scope === undefined ? [] : scope.split(' ');
    if (JSON.stringify(said) !== JSON.stringify(named)) condemn('a token of other scopes', { named, said });
    await this.introspected(run, token, named);
    this.tokens.push({ run, token, named });
    if (audience !== HERE) return;
    const bearer = `Bearer ${token}`;
    await this.worth('a token', { ...run, credentials: undefined }, part, [...named, ANONYMOUS], bearer);
    see(named.length > 1 && 'token of several scopes');
  }

  private readonly tokens: { run: Run; token: string; named: string[] }[] = [];

  /** What a resource server is told is all that was asked for and is still held, and nothing else. */
  private async introspected(run: Holder, token: string, named: string[]): Promise<void> {
    const { active, scope } = await ok(postForm(resource, '/oauth/introspect', { token }));
    const told: string[] = scope === undefined ? [] : scope.split(' ');
    const held = this.amountOf(run);
    const wrong = [...told, ...named, ...held].filter((one) => (covers(held, one) && covers(named, one)) !== covers(told, one));
    if (!active || wrong.length > 0) condemn('introspection', { roles: this.roles, run, named, told, active, wrong });
    see('introspected', told.length < named.length && 'less is told than the token says');
  }

  /** Roles lose and gain, clients lose; one may be gone. */
  private async change(clients: Holder[]): Promise<void> {
    const { random } = this;
    for (const role of [...this.roles]) {
      if (random.chance(0.6)) continue;
      this.roles = this.roles.filter((one) => one !== role);
      if (random.chance(0.5)) await test.root.delete(rolePath(role.roleId));
      else {
        const less = { ...role, scopes: role.scopes.filter(() => random.chance(0.5)) };
        await ok(test.root.post(rolePath(role.roleId), { description: '', scopes: less.scopes }));
        this.roles.push(less);
      }
    }
    for (const client of clients) {
      const { clientId } = client.api.credentials!;
      const left = client.scopes.filter((scope) => scope !== ANONYMOUS && random.chance(0.85));
      const gone = random.chance(0.2);
      const body = { expires: new Date(Date.now() + DAY).toISOString(), description: '', scopes: left };
      await ok(test.root.post(clientPath(clientId), body));
      if (gone) await ok(test.root.post(clientPath(clientId, '/disable')));
      client.scopes = gone ? [] : [...left, ANONYMOUS];
      see(gone && 'client gone');
    }
  }

  /**
   * What of these scopes a run is lent whose task was created by this one: what the client at the root of it holds now, and what the run that
   * created it has of itself, which is for its own children only.
   */
  private leftTo(creator: Holder, scopes: string[]): { left: string[]; source: string[] } {
    const root = rootOf(creator);
    const source = root.scopes.length === 0 ? [] : [...root.scopes, ...creator.own];
    const held = amount(source, this.roles);
    const cut = scopes.filter((scope) => !covers(held, scope));
    return { left: [...scopes.filter((scope) => covers(held, scope)), ...held.filter((scope) => covers(cut, scope))], source };
  }

  /** Lent anew, a run has what its creator still holds of what it had; so have the credentials that it was lent before. */
  private async reclaim(run: Run): Promise<void> {
    const { credentials } = await ok(new Tasks(run.api, test.database).reclaim(run.taskId));
    const { left, source } = this.leftTo(run.creator, run.left);
    const lent = { ...run, credentials, api: test.root.as(credentials), scopes: [...rewritten(left, run.own), ...run.own, ANONYMOUS] };
    await this.worth('a reclaimed run', lent, [...source, ...run.own], lent.scopes);
    const before = { ...lent, api: run.api, credentials: undefined };
    await this.worth('a reclaimed run, as it was', before, [...source, ...run.own], lent.scopes);
    see(run.left.every((scope) => covers(left, scope)) ? 'nothing lost' : 'reduced');
    for (const { token, named } of this.tokens.filter((one) => one.run === run)) await this.introspected(lent, token, named);
  }
}

const rolePath = (roleId: string) => `/auth/v1/roles/${encodeURIComponent(roleId)}`;
const clientPath = (clientId: string, verb = '') => `/auth/v1/clients/${encodeURIComponent(clientId)}${verb}`;

/** Being the run stands in for being its worker. */
const rewritten = (scopes: readonly string[], own: readonly string[]) => scopes.map((scope) => (isWorker(scope) ? own[0]! : scope));

/** The client on whose authority all of it is. */
function rootOf(holder: Holder | Run): Holder {
  return 'creator' in holder ? rootOf(holder.creator) : holder;
}

/** Each of these is a way to be wrong; worlds that never lead there would prove nothing. So few worlds only do with the usual seed. */
const MUST_BE_SEEN = [
  ...['role put', 'odd role refused', 'unsound role refused', 'odd client refused', 'client gone', 'reduced', 'nothing lost'],
  ...[200, 400, 403].map((status) => `createTask ${status}`),
  ...[200, 403].flatMap((status) => [`createTask of a run ${status}`, `credentials of a run: currentScopes ${status}`]),
  ...[200, 403].map((status) => `a token: currentScopes ${status}`),
  ...[200, 400, 401].map((status) => `exchange ${status}`),
  ...['a reclaimed run: currentScopes 200', 'a reclaimed run, as it was: currentScopes 200', 'introspected'],
  ...['by way of a role', 'worker rewritten', 'only the role in the certificate', 'token of several scopes', 'not a grandchild’s'],
  ...['a part turned away from an audience', 'less is told than the token says'],
];

it('the service gives nobody what is not theirs, and everybody what is', async () => {
  const worlds = WORLD === undefined ? Array.from({ length: WORLDS }, (_, world) => world) : [Number(WORLD)];
  for (const world of worlds) {
    try {
      await new HttpWorld(new SeededRandom(SEED, world), `world-${world}`).play();
    } catch (error) {
      if (!(error instanceof Beyond)) throw new Error(`FC_SEED=${SEED} FC_WORLD=${world}: ${error}`, { cause: error });
      see('world passed over');
    }
  }
  process.stdout.write(`escalation over HTTP: ${JSON.stringify({ seed: SEED, ...Object.fromEntries(seen) })}\n`);
  const isUsual = process.env.FC_SEED === undefined && process.env.FC_WORLDS === undefined && WORLD === undefined;
  if (isUsual) expect(MUST_BE_SEEN.filter((what) => !seen.has(what))).toEqual([]);
}, 120_000);
