import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { load } from 'js-yaml';

interface Operation {
  operationId: string;
  responses: Record<string, { content?: Record<string, { schema: unknown }> }>;
  'x-required-scopes'?: unknown;
  parameters?: { name: string; in: string; schema: { pattern?: string } }[];
  requestBody?: unknown;
}

export interface DocumentedRoute {
  method: string;
  /** As in openapi.yaml: /api/queue/v1/task/{taskId} */
  path: string;
  operation: Operation;
}

const document = load(readFileSync('openapi.yaml', 'utf8')) as { paths: Record<string, Record<string, Operation>> };
const ajv = new Ajv2020({ strict: false, allErrors: true });
(addFormats as unknown as (instance: Ajv2020) => void)(ajv);
ajv.addSchema({ ...document, $id: 'openapi' });

/** Every operation that openapi.yaml promises. */
export const documentedRoutes: DocumentedRoute[] = Object.entries(document.paths).flatMap(([path, operations]) =>
  Object.entries(operations).map(([method, operation]) => ({ method, path, operation })),
);

const matchers = documentedRoutes.map((route) => ({ ...route, pattern: new RegExp(`^${route.path.replace(/\{[^}]+\}/g, '[^/]+')}/?$`) }));
const validators = new Map<string, ValidateFunction>();

/** Fails unless openapi.yaml promises this answer for this method and path. What is no route of ours must be refused with 404. */
export function assertContract(method: string, url: string, status: number, body: unknown): void {
  const path = url.split('?')[0] ?? '';
  const route = matchers.find((one) => one.method === method.toLowerCase() && one.pattern.test(path));
  if (!route) {
    if (status !== 404) throw new Error(`${method} ${path} answered ${status} but is not in openapi.yaml`);
    return;
  }
  const { responses, operationId } = route.operation;
  const promised = responses[status];
  if (!promised) throw new Error(`${operationId} answered ${status}; openapi.yaml promises ${Object.keys(responses).join(', ')}`);
  if (!promised.content?.['application/json']) return;
  const validate = validatorOf(route, status);
  if (!validate(body))
    throw new Error(`${operationId} ${status}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(body).slice(0, 1000)}`);
}

function validatorOf({ method, path }: DocumentedRoute, status: number): ValidateFunction {
  const pointer = encodeURIComponent(path.replace(/~/g, '~0').replace(/\//g, '~1'));
  const reference = `openapi#/paths/${pointer}/${method}/responses/${status}/content/application~1json/schema`;
  const known = validators.get(reference);
  if (known) return known;
  const validate = ajv.compile({ $ref: reference });
  validators.set(reference, validate);
  return validate;
}
