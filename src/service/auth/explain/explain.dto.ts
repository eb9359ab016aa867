import { CLIENT_ID, SCOPE, SLUGID } from '../../http/identifiers.js';
import { Flag, Integer, Nested, NestedList, OneOf, Scopes, Text, Timestamp } from '../../http/shape.js';
import { SOURCES } from './holding.js';

export class ScopeStep {
  @Text({ rule: SCOPE })
  scope!: string;

  @OneOf(SOURCES, {
    description:
      'What gave it: a stored client, a certificate, the run itself, task.scopes, the rewrite of its worker to the run, what everybody has (anonymous), the creator of the task, authorizedScopes or the end of the run with an exception, which leave only this of what the step before gives, or a role',
  })
  by!: string;

  @Text({ optional: true, description: 'Of a rewrite: what task.scopes say. In lists, of a role: the scope that assumes it' })
  from?: string;

  @Text({ optional: true, description: 'The role that the scope of the step before assumes' })
  roleId?: string;

  @Text({ optional: true, description: 'The scope as the role has it' })
  template?: string;

  @Text({ optional: true, description: 'What `<..>` stands for; empty if the role is no pattern' })
  parameter?: string;
}

export class GivenScope extends ScopeStep {
  @Flag({
    optional: true,
    description: 'Whether it, or something that comes of it, decided that the run may do something here; absent where that is not noted',
  })
  used?: boolean;

  @Timestamp({ optional: true })
  firstUsed?: string;

  @Flag({
    optional: true,
    description: 'True if the run has lost it, or a part of it, because the creator of its task did not hold it any more; otherwise absent',
  })
  lost?: boolean;
}

export class ScopeWay {
  @NestedList(() => ScopeStep, { description: 'From what is held to the scope' })
  steps!: ScopeStep[];
}

export class ExplainedRun {
  @Text({ rule: SLUGID })
  taskId!: string;

  @Integer({ minimum: 0, maximum: 1000 })
  runId!: number;

  @Text({ description: 'The state of the run' })
  state!: string;

  @Text({ optional: true })
  reasonResolved?: string;

  @OneOf(['everything', 'artifacts', 'nothing'], {
    description: 'What its credentials are still good for: all of it while its lease lasts, uploads for 25 minutes after an exception',
  })
  standing!: string;

  @Text({ optional: true, description: 'Why not for everything' })
  because?: string;
}

export class ExplainScopesResponse {
  @Text({ optional: true, rule: CLIENT_ID, description: 'Whom this is about; absent if the caller sent no credentials' })
  clientId?: string;

  @Nested(() => ExplainedRun, { optional: true })
  run?: ExplainedRun;

  @Text({ optional: true, rule: SCOPE })
  scope?: string;

  @Flag({ optional: true, description: 'Whether the scope is held now' })
  has?: boolean;

  @Text({ optional: true, description: 'Why, in words' })
  because?: string;

  @NestedList(() => ScopeStep, {
    optional: true,
    description:
      'By the fewest roles: from what is held to what satisfies the scope. If it is not held: how it would be, but for `because`',
  })
  derivation?: ScopeStep[];

  @NestedList(() => ScopeWay, { optional: true, description: 'If nothing satisfies it: what is held and comes nearest, five at most' })
  nearest?: ScopeWay[];

  @NestedList(() => ScopeWay, {
    optional: true,
    description:
      'If nothing satisfies it: whom to be instead, the most direct first, ten at most, and only by roles that the caller may read. The search is bounded: there may be more',
  })
  grantedBy?: ScopeWay[];

  @NestedList(() => GivenScope, { optional: true, description: 'Of a run, without `scope`: what it was given, as roles are now' })
  given?: GivenScope[];

  @Scopes({ optional: true, description: 'Of a run, without `scope`: what it was given by its task and was never seen to use' })
  unused?: string[];

  @Flag({ optional: true, description: 'Whether roles grant more than is listed' })
  cut?: boolean;
}
