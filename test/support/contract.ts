import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { load } from 'js-yaml';

export interface Schema {
  $ref?: string;
  type?: string;
  pattern?: string;
  enum?: string[];
  properties?: Record<string, Schema>;
  required?: string[];
  oneOf?: Schema[];
}

export interface Parameter {
  name: string;
  in: string;
  schema: Schema;
}

interface Operation {
  operationId: string;
  description?: string;
  responses: Record<
    string,
    { description: string; headers?: Record<string, { required?: boolean }>; content?: Record<string, { schema: unknown }> }
  >;
  'x-required-scopes'?: unknown;
  parameters?: Parameter[];
  requestBody?: { content?: Record<string, { schema?: Schema }> };
}

export interface DocumentedRoute {
  method: string;
  /** As in openapi.yaml: /api/queue/v1/task/{taskId} */
  path: string;
  operation: Operation;
}

const document = load(readFileSync('openapi.yaml', 'utf8')) as {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};
const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormats as unknown as (instance: Ajv2020) => void)(ajv);
ajv.addSchema({ ...document, $id: 'openapi' });

/** Every operation that openapi.yaml promises. */
export const documentedRoutes: DocumentedRoute[] = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({ method, path, operation })),
);

/** The part of its path after /api: queue, auth and so on; `process` for what is served outside of it. */
export function serviceOf({ path }: DocumentedRoute): string {
  return /^\/api\/([\w-]+)\/v1\//.exec(path)?.[1] ?? 'process';
}

/** What an operation may answer: `200`, and `<status> <code>` of each refusal. */
export function promisesOf({ operation }: DocumentedRoute): string[] {
  return Object.entries(operation.responses).flatMap(([status, { description }]) => {
    const codes = [...description.matchAll(/^`(\w+)`:/gm)].map(([, code]) => `${status} ${code}`);
    return codes.length > 0 ? codes : [status];
  });
}

/** What a schema refers to, if it does. */
export function resolved(schema: Schema): Schema {
  return schema.$ref ? (document.components.schemas[schema.$ref.replace('#/components/schemas/', '')] ?? schema) : schema;
}

const matchers = documentedRoutes.map((route) => ({
  ...route,
  pattern: patternOf(route.path),
  /** Names with slashes may come as they are in some places, which is none of the document's business. */
  loose: patternOf(route.path.replace('{taskQueueId}', '[^/]+/[^/]+').replace(/\{name\}$/, '.+')),
}));
const validators = new Map<string, ValidateFunction>();

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/\{[^}]+\}/g, '[^/]+')}/?$`);
}

function routeOf(method: string, path: string, status: number): DocumentedRoute | undefined {
  const asked = method === 'head' ? 'get' : method;
  const ofMethod = matchers.filter((one) => one.method === asked);
  const exact = ofMethod.find(({ pattern }) => pattern.test(path));
  return exact ?? (status === 404 ? undefined : ofMethod.find(({ loose }) => loose.test(path)));
}

interface Answered {
  status: number;
  body?: unknown;
  headers: Record<string, unknown>;
}

/**
 * Fails unless openapi.yaml promises this answer for this method and path, with the headers that it always has. HEAD is answered as
 * GET, without the body. What is no route of ours must be refused with 404.
 */
export function assertContract(method: string, url: string, { status, body, headers }: Answered): void {
  const path = url.split('?')[0] ?? '';
  const route = routeOf(method.toLowerCase(), path, status);
  if (!route) {
    if (status !== 404) throw new Error(`${method} ${path} answered ${status} but is not in openapi.yaml`);
    return;
  }
  const { responses, operationId } = route.operation;
  const promised = responses[status];
  if (!promised) throw new Error(`${operationId} answered ${status}; openapi.yaml promises ${Object.keys(responses).join(', ')}`);
  const missing = Object.entries(promised.headers ?? {}).filter(([name, { required }]) => required && headers[name] === undefined);
  if (missing.length > 0) throw new Error(`${operationId} answered ${status} without ${missing.map(([name]) => name).join(', ')}`);
  if (method.toLowerCase() === 'head' || !promised.content?.['application/json']) return;
  const validate = validatorOf(route, status);
  if (!validate(body))
    throw new Error(`${operationId} ${status}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(body).slice(0, 1000)}`);
}

const eventSchemas = new Map(
  documentedRoutes
    .filter(({ operation }) => operation.operationId === 'followEvents')
    .flatMap(({ operation }) => [...(operation.description ?? '').matchAll(/^- `([\w-]+)`: `(\w+)`$/gm)])
    .map(([, kind, schema]) => [kind, schema] as const),
);

/** Fails unless openapi.yaml has a schema for this kind of event, and the data is of it and holds nothing else. */
export function assertEvent(kind: string, data: unknown): void {
  const schema = eventSchemas.get(kind);
  if (!schema) throw new Error(`${kind} is no event of openapi.yaml, which knows ${[...eventSchemas.keys()].join(', ')}`);
  const validate = compiled(`event ${kind}`, { $ref: `openapi#/components/schemas/${schema}`, unevaluatedProperties: false });
  if (!validate(data)) throw new Error(`${kind}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(data).slice(0, 1000)}`);
}

function validatorOf({ method, path }: DocumentedRoute, status: number): ValidateFunction {
  const pointer = encodeURIComponent(path.replace(/~/g, '~0').replace(/\//g, '~1'));
  const reference = `openapi#/paths/${pointer}/${method}/responses/${status}/content/application~1json/schema`;
  return compiled(reference, { $ref: reference });
}

function compiled(name: string, schema: object): ValidateFunction {
  const validate = validators.get(name) ?? ajv.compile(schema);
  validators.set(name, validate);
  return validate;
}
