import type { CryptoKey } from 'jose';
import taskcluster from 'taskcluster-client';
import type { ForeignScopes } from './foreign-scopes.js';
import type { IssuingCode } from './issuing-code.js';
import { CLIENT, type Credentials, HOUR, IssuingGate, NOW, QUEUE_TOKEN } from './issuing-gate.js';
import { covers, givenToRun, isSpeakable, namesWorker, type Role } from './scope-oracle.js';
import { ScopeWords, UNSPEAKABLE } from './scope-words.js';
import type { SeededRandom } from './seeded-random.js';
import type { Seen } from './seen.js';
import { amount, condemn, judge } from './verdict.js';

const ANONYMOUS = 'assume:anonymous';
const WORKER = { workerGroup: 'g', workerId: 'w' };
const NAME = 'g/w';

/** As the entrance of createTask asks it (queue/task-creation.ts). */
const TASK_SCOPES = { AllOf: [{ for: 'scope', in: 'scopes', each: '<scope>' }] };

export const AUDIENCE = 'https://api.example.com';
export const ISSUER = 'https://tasks.example.com';

/** The key that signs tokens, and those who read them. */
export interface TokenKeys {
  kid: string;
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  foreign: ForeignScopes;
}

/** Somebody who may create tasks: what the code makes of it, and the oracle. */
interface Holder {
  /** As the code has expanded it. */
  effective: readonly string[];
  /** As it was given. */
  scopes: readonly string[];
  /** The run's own scopes, if it is one. */
  own: readonly string[];
  /** Of a run: what it signs with. */
  credentials?: Credentials;
}

interface Run {
  taskId: string;
  runId: number;
  taskScopes: readonly string[];
  creator: Holder;
}

/** One set of roles, one client, and all that comes of it, issued by this code. */
export class IssuingWorld {
  private readonly words: ScopeWords;
  private roles: Role[] = [];
  private index: ReturnType<IssuingCode['compileRoles']>;
  private clientScopes: string[];
  private readonly lent;
  private readonly gate: IssuingGate;
  /** By holder, while the roles stay as they are. */
  private amounts = new Map<Holder, string[]>();

  constructor(
    private readonly code: IssuingCode,
    private readonly random: SeededRandom,
    private readonly seen: Seen,
    private readonly keys: TokenKeys,
  ) {
    this.words = new ScopeWords(random);
    this.lent = new code.LentCredentials();
    this.gate = new IssuingGate(code, random, this.lent, (scopes) => this.expand(scopes));
    for (const role of random.list(0, 8, () => this.role())) this.admit(role);
    this.index = code.compileRoles(this.roles);
    this.clientScopes = this.wishes(1, 5, []);
  }

  /** Everything that is issued in this world, judged. Throws Verdict, Beyond. */
  async play(): Promise<void> {
    const { random } = this;
    const creators = [this.client(), ...random.list(4, 6, () => this.temporary()).filter((holder) => holder !== undefined)];
    const runs = random.list(6, 9, () => this.created(random.pick(creators))).filter((run) => run !== undefined);
    const children: Run[] = [];
    for (const run of runs) {
      const holder = this.lend(run);
      const restricted = this.restricted(run, holder);
      const child = this.created(random.pick([holder, holder, restricted ?? holder]));
      if (child) this.lend(child);
      if (child) children.push(child);
      if (random.chance(0.42)) await this.exchange(run, random.pick([holder, restricted ?? holder]));
    }
    this.change();
    for (const run of [...runs, ...children]) if (random.chance(0.35)) this.rederive(run);
  }

  private role(): Role {
    return { roleId: this.words.roleId(), scopes: this.random.list(1, 4, () => this.grantedScope()) };
  }

  private grantedScope(): string {
    const { random, words } = this;
    return random.chance(0.35) ? words.assuming(this.roles.map(({ roleId }) => roleId)) : words.granted();
  }

  /** As an administrator gets it in: one after the other, each refused that makes the whole unfit. */
  private admit(role: Role): void {
    const known = this.roles.some(({ roleId }) => roleId === role.roleId);
    const sound = !known && this.code.isScope(`assume:${role.roleId}`) && this.code.roleProblem([...this.roles, role]) === undefined;
    this.seen.see(sound ? 'role admitted' : 'role refused');
    if (sound) this.roles.push(role);
  }

  /** What somebody asks for that holds these: mostly what is theirs, often all but theirs, sometimes what nobody may say. */
  private wishes(least: number, most: number, held: readonly string[]): string[] {
    const { random, words } = this;
    const honest = random.chance(0.6);
    const wish = () => {
      if (held.length > 0 && (honest || random.chance(0.4))) return words.within(random.pick(held));
      if (held.length > 0 && random.chance(0.6)) return words.near(random.pick(held));
      return random.chance(0.5) ? words.assuming(this.roles.map(({ roleId }) => roleId)) : words.scope();
    };
    const wishes = random.list(least, most, wish).filter(isSpeakable);
    if (held.length > 0 && random.chance(0.03)) wishes.push(random.pick(UNSPEAKABLE));
    if (held.length > 0 && random.chance(0.01)) wishes.push(`${words.within(random.pick(held)).replace(/\*$/, '')}${'z'.repeat(1_300)}`);
    return wishes;
  }

  private expand = (scopes: readonly string[]) => this.code.expandScopes(scopes, this.index);

  private expandForRun = (scopes: readonly string[]) =>
    this.code.expandScopes(scopes, this.index, { leaveOut: (scope) => this.code.isWorkerIdentity(scope, WORKER) });

  private client(): Holder {
    const effective = this.expand([...this.clientScopes, ANONYMOUS]);
    return { effective, scopes: [...this.clientScopes, ANONYMOUS], own: [] };
  }

  /** What comes of it, or that it was refused. */
  private attempt<T>(work: () => T): { given: T } | { refused: string } {
    try {
      return { given: work() };
    } catch (error) {
      if (error instanceof this.code.CredentialError || error instanceof TypeError) return { refused: error.message };
      throw error;
    }
  }

  /** Temporary credentials as anybody can make them who has a client's token: of whatever they like. */
  private temporary(): Holder | undefined {
    const { random, code, roles } = this;
    const held = amount(this.clientScopes, roles);
    const name = random.chance(0.3) ? `fuzz/${random.pick(['a', 'ab', 'x:a'])}` : undefined;
    const scopes = this.wishes(0, 4, held);
    const foreign = random.chance(0.15);
    const authorizedScopes = random.chance(0.25) ? this.wishes(0, 3, amount([...scopes, ANONYMOUS], roles)) : undefined;
    const due = scopes.every((scope) => isSpeakable(scope) && covers(held, scope)) && (!name || covers(held, `auth:create-client:${name}`));
    const outcome = this.attempt(() => {
      const credentials = foreign ? issuedByOthers(name, scopes) : code.issueTemporaryCredentials(issuance(name, scopes));
      return { credentials, effective: this.expand([...this.gate.scopesOf(credentials, this.clientScopes), ANONYMOUS]) };
    });
    const tooLong = 'refused' in outcome && outcome.refused === 'Bad Request: Header length too long';
    if (tooLong) return void this.seen.see('too long for a header');
    if ('given' in outcome !== due)
      condemn(due ? 'temporary credentials refused' : 'temporary credentials taken', { roles, held, scopes, name, outcome });
    this.seen.see(
      due ? 'temporary credentials taken' : 'temporary credentials refused',
      name !== undefined && due && 'named ones taken',
      foreign && due && 'issued by others',
    );
    if (!('given' in outcome)) return undefined;
    const { credentials, effective } = outcome.given;
    this.seen.credentials++;
    const issued = JSON.parse(credentials.certificate).scopes;
    const [source, asked] = [
      [...this.clientScopes, ANONYMOUS],
      [...scopes, ANONYMOUS],
    ];
    this.judge({ kind: 'temporary credentials', scopes: issued, effective }, { source, asked });
    this.seen.classify(this.roles, this.clientScopes, issued);
    const holder = { effective, scopes: asked, own: [] };
    if (!authorizedScopes) return holder;
    return this.restrictedClient(credentials, authorizedScopes, asked) ?? holder;
  }

  private restrictedClient(credentials: Credentials, authorizedScopes: string[], scopes: string[]): Holder | undefined {
    const held = amount(scopes, this.roles);
    const due = authorizedScopes.every((scope) => isSpeakable(scope) && covers(held, scope));
    const outcome = this.attempt(() => {
      const identity = this.gate.identify(credentials, this.clientScopes, { authorizedScopes });
      return this.code.restrict(identity, this.expand([...identity.scopes, ANONYMOUS]), { expand: this.expand }, ANONYMOUS);
    });
    return this.narrowed(outcome, due, authorizedScopes, { effective: [], scopes, own: [] });
  }

  private narrowed(
    outcome: { given: readonly string[] } | { refused: string },
    due: boolean,
    authorizedScopes: readonly string[],
    { scopes, own }: Holder,
    leftOut?: (scope: string) => boolean,
  ): Holder | undefined {
    if ('refused' in outcome && outcome.refused === 'Bad Request: Header length too long') return undefined;
    if ('given' in outcome !== due)
      condemn(`authorizedScopes ${due ? 'refused' : 'taken'}`, { roles: this.roles, scopes, authorizedScopes, outcome });
    this.seen.see(due ? 'authorizedScopes taken' : 'authorizedScopes refused');
    if (!('given' in outcome)) return undefined;
    const asked = leftOut ? [...rewritten(authorizedScopes, own), ANONYMOUS] : [...authorizedScopes, ANONYMOUS];
    const terms = leftOut ? { source: scopes, asked, leftOut } : { source: scopes, asked };
    this.judge({ kind: 'authorizedScopes', scopes: [], effective: outcome.given }, terms);
    return { effective: outcome.given, scopes: asked, own };
  }

  /** A task with random scopes, if its creator may. */
  private created(creator: Holder): Run | undefined {
    const { random, code, roles } = this;
    const held = this.amountOf(creator);
    const taskScopes = this.wishes(0, 5, held);
    const due = taskScopes.every((scope) => isSpeakable(scope) && covers(held, scope));
    const required = code.renderTemplate(TASK_SCOPES, { scopes: taskScopes });
    const taken = taskScopes.every(code.isScope) && code.isSatisfied(creator.effective, required);
    if (taken !== due) condemn(`task ${taken ? 'taken' : 'refused'}`, { roles, creator, taskScopes });
    if (taken !== code.holdsAll(creator.effective, taskScopes.filter(code.isScope)) && taskScopes.every(code.isScope))
      condemn('two answers to one question', { creator, taskScopes });
    this.seen.see(taken ? 'task taken' : 'task refused');
    if (!taken) return undefined;
    this.seen.classify(this.roles, creator.scopes, taskScopes);
    const taskId = random
      .int(2 ** 32)
      .toString(36)
      .padStart(22, '-_A');
    return { taskId, runId: random.int(3), taskScopes, creator };
  }

  /** What a holder has, by the oracle; a run without what names its worker. */
  private amountOf(holder: Holder): string[] {
    const known = this.amounts.get(holder);
    if (known) return known;
    const all = amount(holder.scopes, this.roles, holder.own.length > 0 ? isWorker : undefined);
    this.amounts.set(holder, all);
    return all;
  }

  /** The credentials of a run, as claims and reclaims lend them, and what they are worth. */
  private lend({ taskId, runId, taskScopes, creator }: Run, definedScopes?: readonly string[]): Holder {
    const { code } = this;
    const run = { taskId, runId, ...WORKER, takenUntil: new Date(NOW + HOUR), taskScopes, ...(definedScopes ? { definedScopes } : {}) };
    const issuer = { clientId: code.QUEUE_ISSUER, accessToken: QUEUE_TOKEN };
    const credentials = code.mintRunCredentials(run, issuer, NOW, HOUR, this.lent);
    this.seen.credentials++;
    const read = this.gate.scopesOf(credentials, this.clientScopes);
    const effective = this.runEffective(credentials.clientId, taskScopes);
    const own = givenToRun(taskId, runId);
    const { scopes } = JSON.parse(credentials.certificate);
    const source = [...creator.scopes, ...own, ANONYMOUS];
    const asked = [...rewritten(taskScopes, own), ...own, ANONYMOUS];
    this.judge({ kind: 'credentials of a run', scopes, effective }, { source, asked, leftOut: isWorker });
    if (JSON.stringify(read) !== JSON.stringify(scopes)) condemn('the certificate is read in two ways', { scopes, read });
    this.seen.see(taskScopes.some(isWorker) && 'worker rewritten', scopes.length === 1 && 'only the role in the certificate');
    return { effective, scopes: asked, own, credentials };
  }

  /** As auth/run-authority.ts puts it together. */
  private runEffective(clientId: string, taskScopes: readonly string[]): string[] {
    const holder = this.code.parseRunClientId(clientId);
    if (!holder) throw new Error(`${clientId} names no run`);
    return this.expandForRun([...this.code.runScopes({ ...holder, taskScopes }), ANONYMOUS]);
  }

  /** The run's credentials, restricted by who sends them. */
  private restricted(run: Run, holder: Holder): Holder | undefined {
    const { code, random } = this;
    if (!random.chance(0.3)) return undefined;
    const held = this.amountOf(holder);
    const authorizedScopes = random.chance(0.3) ? [...run.taskScopes] : this.wishes(0, 3, held);
    return this.useRestricted(run, holder, authorizedScopes, undefined, () =>
      code.withoutWorkerIdentity(authorizedScopes, { ...run, ...WORKER }),
    );
  }

  private useRestricted(run: Run, holder: Holder, authorizedScopes: string[], had: string[] | undefined, effectiveOnes: () => string[]) {
    const { code } = this;
    const taken = had ?? this.amountOf(holder);
    const due = authorizedScopes.every(isSpeakable) && rewritten(authorizedScopes, holder.own).every((scope) => covers(taken, scope));
    const outcome = this.attempt(() => {
      const identity = this.gate.identify(holder.credentials!, this.clientScopes, { authorizedScopes });
      return code.restrict(
        { ...identity, authorizedScopes: effectiveOnes() },
        this.runEffective(identity.clientId, run.taskScopes),
        { expand: this.expandForRun },
        ANONYMOUS,
      );
    });
    if (had === undefined) return this.narrowed(outcome, due, authorizedScopes, holder, isWorker);
    return this.leftOf(outcome, due, authorizedScopes, holder);
  }

  /** Of what a proxy repeats of task.scopes, what is left to the run. */
  private leftOf(
    outcome: { given: readonly string[] } | { refused: string },
    due: boolean,
    authorizedScopes: string[],
    holder: Holder,
  ): undefined {
    const { roles } = this;
    if ('refused' in outcome && outcome.refused === 'Bad Request: Header length too long') return undefined;
    if ('given' in outcome !== due)
      condemn(`authorizedScopes of a reduced run ${due ? 'refused' : 'taken'}`, { roles, holder, authorizedScopes, outcome });
    if (!('given' in outcome)) return undefined;
    const effective = outcome.given;
    const [held, named] = [this.amountOf(holder), rewritten(authorizedScopes, holder.own)];
    const beyond = effective.filter((scope) => !covers(held, scope));
    const short = [...held, ...named].filter((scope) => covers(held, scope) && covers(named, scope) && !covers(effective, scope));
    if (beyond.length + short.length > 0)
      condemn('a reduced run, restricted', { beyond, short, roles, holder, authorizedScopes, effective });
    this.seen.see('reduced and restricted');
    return undefined;
  }

  /** A token for the run, or for a part of it. */
  private async exchange(run: Run, holder: Holder): Promise<void> {
    const { code, random, roles } = this;
    const held = this.amountOf(holder);
    const form = this.wishes(0, 4, held).join(' ');
    const named = form === '' ? [] : form.split(' ');
    const due = named.every((scope) => isSpeakable(scope) && covers(held, scope) && !isWorker(scope));
    const asked = this.attempt(() => {
      const scopes = [...new Set(code.splitScopes(form))];
      if (scopes.some((scope) => code.isWorkerIdentity(scope, WORKER)) || code.unheldScopes(holder.effective, scopes).length > 0)
        throw new code.CredentialError('not held');
      return scopes;
    });
    if ('given' in asked !== due) condemn(`a token ${due ? 'refused' : 'given'}`, { roles, holder, form, asked });
    this.seen.see(due ? 'token given' : 'token refused');
    if ('given' in asked) await this.signed(run, holder, asked.given, held);
    if (random.chance(0.2)) await this.smuggled(run, holder, held);
  }

  /** What is stored might be older than the rule that no scope has a space: such a scope must not become two. */
  private async smuggled(run: Run, holder: Holder, held: string[]): Promise<void> {
    const { code, random, words } = this;
    const scopes = [words.within(random.pick(held)), `${random.pick(held).replace(/\*$/, '')} ${words.scope()}`];
    const joined = this.attempt(() => code.joinScopes(scopes));
    if ('given' in joined) {
      await this.signed(run, holder, scopes, held);
      condemn('scopes that cannot be told apart were joined', { scopes });
    }
    this.seen.see('not joined');
  }

  private async signed({ taskId, runId, creator }: Run, holder: Holder, scopes: string[], held: string[]): Promise<void> {
    const { code, random, keys } = this;
    const now = Math.floor(NOW / 1000);
    const claims = {
      ...{ iss: ISSUER, sub: `task-run:${taskId}/${runId}`, aud: AUDIENCE, client_id: 'task-client', jti: taskId },
      ...{ iat: now, nbf: now, exp: now + 3_600, task: taskId, run: runId, worker: NAME, fence: 1, group: taskId },
      ...{ task_queue: 'p/w', project: 'none', status: { status_list: { idx: 0, uri: ISSUER } } },
      ...(scopes.length > 0 ? { scope: code.joinScopes(scopes) } : {}),
    };
    const token = await code.signTaskToken(claims, 'at+jwt', { kid: keys.kid, alg: 'ES256', key: keys.privateKey });
    this.seen.tokens++;
    const others = [...scopes.flatMap((scope) => [`${scope}*`, scope.slice(0, -1)]), words(held, random), ''].filter((one) => one !== '');
    const keyOf = async (kid: string) => (kid === keys.kid ? { alg: 'ES256', key: keys.publicKey } : undefined);
    const terms = { type: 'at+jwt' as const, issuer: ISSUER, audiences: [AUDIENCE], keyOf };
    const [read, verified] = await Promise.all([keys.foreign.of(token, others), code.verifyTaskToken(token, terms)]);
    const ours = code.splitScopes(verified.claims.scope);
    const run = { taskId, runId, ...WORKER };
    const granted = code.intersectScopes(code.withoutWorkerIdentity(ours, run), holder.effective);
    const effective = this.expandForRun([...granted, ANONYMOUS]);
    const source = [...creator.scopes, ...holder.own, ANONYMOUS];
    this.judge({ kind: 'a token', scopes: read, effective }, { source, asked: [...scopes, ANONYMOUS], leftOut: isWorker });
    this.judge(
      { kind: 'a token of its holder', scopes: read, effective },
      { source: held, asked: [...scopes, ANONYMOUS], leftOut: isWorker },
    );
    const [said, heard] = [scopes, read].map((list) => JSON.stringify(list));
    if (said !== heard || JSON.stringify(ours) !== said) condemn('a token that is read in two ways', { scopes, read, ours });
    this.seen.see(scopes.length > 1 && 'token of several scopes', scopes.length === 0 && 'token without scopes');
    this.seen.classify(this.roles, creator.scopes, read);
  }

  /** A role is taken, another is changed, the client loses something: what is lent next is less. */
  private change(): void {
    const { random, code } = this;
    const before = this.roles;
    this.roles = [];
    for (const role of before) {
      if (random.chance(0.3)) this.seen.see('role deleted');
      else this.admit(random.chance(0.3) ? { ...role, scopes: role.scopes.filter(() => random.chance(0.5)) } : role);
    }
    this.index = code.compileRoles(this.roles);
    this.amounts = new Map();
    this.clientScopes = this.clientScopes
      .filter(() => random.chance(0.8))
      .map((scope) => (random.chance(0.3) ? this.words.within(scope) : scope));
  }

  /** What auth/authority.service.ts leaves a run of the client, and of its runs, lent anew. */
  private rederive(run: Run): void {
    const { code, roles, random } = this;
    const ofRun = run.creator.own.length > 0;
    const held = code.mergeScopeSets(this.expand(this.clientScopes), this.expand([ANONYMOUS]));
    const all = ofRun ? code.mergeScopeSets(held, this.expand(run.creator.own)) : held;
    const left = code.remainingScopes(run.taskScopes, all);
    const root = [...this.clientScopes, ANONYMOUS, ...run.creator.own];
    const [due, defined] = [amount(root, roles), run.taskScopes];
    const beyond = left.filter((scope) => !covers(due, scope) || !covers(defined, scope));
    const short = [...due, ...defined].filter((scope) => covers(due, scope) && covers(defined, scope) && !covers(left, scope));
    if (beyond.length + short.length > 0)
      condemn('a run that was left more or less than it should', { beyond, short, roles, root, run, left });
    this.seen.see(left === run.taskScopes ? 'nothing lost' : 'reduced', ofRun && left !== run.taskScopes && 'a child reduced');
    const reduced = { ...run, taskScopes: left, creator: { ...run.creator, scopes: root } };
    const holder = this.lend(reduced, run.taskScopes);
    if (left === run.taskScopes) return;
    const authorizedScopes = [...run.taskScopes, ...(random.chance(0.3) ? [this.words.scope()] : [])];
    const own = givenToRun(run.taskId, run.runId);
    const had = amount([...rewritten(run.taskScopes, own), ...own, ANONYMOUS], roles, isWorker);
    this.useRestricted(reduced, holder, authorizedScopes, had, () => {
      const id = { ...run, ...WORKER };
      const before = this.expandForRun([...code.runScopes({ ...id, taskScopes: run.taskScopes }), ANONYMOUS]);
      return code.authorizedRest(code.withoutWorkerIdentity(authorizedScopes, id), before, holder.effective);
    });
  }

  private judge(issued: Parameters<typeof judge>[0], terms: Omit<Parameters<typeof judge>[1], 'roles'>): void {
    judge(issued, { roles: this.roles, ...terms });
    if (terms.asked.length > 0) this.probe(issued.effective, this.words.near(this.random.pick(terms.asked)));
  }

  /** One question, asked in all the ways that the code has. */
  private probe(effective: readonly string[], scope: string): void {
    const { code } = this;
    const due = covers(effective, scope);
    const answers = [
      code.holdsScope(effective, scope),
      code.normalHolds(effective, scope),
      code.isSatisfied(effective, { AnyOf: [scope] }),
    ];
    if (answers.some((answer) => answer !== due)) condemn(`a scope that is ${due ? '' : 'not '}held`, { effective, scope, answers });
    this.seen.see(due ? 'probe held' : 'probe not held');
  }
}

const isWorker = (scope: string) => namesWorker(scope, NAME);

/** Being the run stands in for being its worker. */
function rewritten(scopes: readonly string[], own: readonly string[]): string[] {
  return scopes.map((scope) => (isWorker(scope) ? own[0]! : scope));
}

function words(held: readonly string[], random: SeededRandom): string {
  return held.length > 0 ? random.pick(held) : '';
}

function issuance(name: string | undefined, scopes: string[]) {
  return { issuer: CLIENT, ...(name ? { name } : {}), scopes, start: NOW - HOUR, expiry: NOW + HOUR };
}

/** By a library that nobody here wrote, which takes any text for a scope. */
function issuedByOthers(name: string | undefined, scopes: string[]): Credentials {
  const named = name ? { clientId: name } : {};
  const period = { start: new Date(NOW - HOUR), expiry: new Date(NOW + HOUR) };
  return taskcluster.createTemporaryCredentials({ ...named, ...period, scopes, credentials: CLIENT }) as Credentials;
}
