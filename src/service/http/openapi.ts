import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, getSchemaPath, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { VERSION } from '../version.js';
import { ERRORS, type ErrorCode } from './api-error.js';
import { ErrorResponse } from './error-response.dto.js';
import { inWords } from './operation.decorator.js';

const SHARED = ['ping', 'lbheartbeat', 'heartbeat', 'version'];

const DESCRIPTION = `A task queue whose workers never hold more than the task they are running.

Requests are signed with [Hawk](https://github.com/mozilla/hawk), in the \`Authorization\` header or, for GET, in the URL (\`bewit\`). Runs may
also send a task token whose audience is this service: as \`Bearer\`, or as \`DPoP\` with a proof if it is bound to a key.
\`x-required-scopes\` says what each operation requires; \`<names>\` stand for URL parameters, fields of the body, or fields of the task.

Every POST, PUT and DELETE but the upload of bytes reads its body before anything else: also where it takes none, one that is not JSON
though its type says so, or too large, is refused.`;

/** The contract, made of the controllers and their request and response classes. */
export function createOpenApiDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Leasehold')
    .setVersion(VERSION)
    .setDescription(DESCRIPTION)
    .setLicense('MPL-2.0', 'https://www.mozilla.org/MPL/2.0/')
    .addServer('http://localhost:8080', 'A service started with npm start')
    .addSecurity('hawk', { type: 'http', scheme: 'hawk', description: 'Hawk, with a temporary credential’s certificate in ext' })
    .addSecurity('token', {
      type: 'http',
      scheme: 'bearer',
      description: 'A task token whose audience is this service; with `DPoP` instead of `Bearer`, and a proof, one that is bound to a key',
    })
    .addSecurity('basic', {
      type: 'http',
      scheme: 'basic',
      description: 'A client id and its access token: to ask about tokens and to revoke them, and for tokens of registries',
    })
    .addSecurityRequirements('hawk')
    .addSecurityRequirements('token')
    .build();
  const document = SwaggerModule.createDocument(app, config, { operationIdFactory });
  closeRequests(document);
  promiseRefusalsOfBodies(document);
  return document;
}

type Schema = { $ref?: string; properties?: Record<string, Schema>; allOf?: Schema[]; oneOf?: Schema[]; additionalProperties?: unknown };

/** Bodies with unknown fields are refused, so the contract says that they have no others. */
function closeRequests({ paths, components }: OpenAPIObject): void {
  const schemas = (components?.schemas ?? {}) as Record<string, Schema>;
  const close = (schema: Schema | undefined): void => {
    const target = schema?.$ref ? schemas[schema.$ref.replace('#/components/schemas/', '')] : undefined;
    if (!target?.properties || target.additionalProperties === false) return;
    target.additionalProperties = false;
    for (const property of Object.values(target.properties)) for (const inner of [property, ...(property.allOf ?? [])]) close(inner);
  };
  for (const path of Object.values(paths)) {
    for (const operation of Object.values(path) as { requestBody?: { content?: Record<string, { schema?: Schema }> } }[]) {
      const schema = operation.requestBody?.content?.['application/json']?.schema;
      for (const one of schema?.oneOf ?? [schema]) close(one);
    }
  }
}

/** What reading a body may answer, whatever the operation makes of it. */
const OF_BODIES: readonly ErrorCode[] = ['MalformedPayload', 'InputTooLarge'];

interface Documented {
  requestBody?: { content: Record<string, unknown> };
  responses: Record<string, { description: string }>;
}

/** Bodies are read before the operation is asked, so those that take none refuse them all the same. Only bytes are left to the handler. */
function promiseRefusalsOfBodies({ paths }: OpenAPIObject): void {
  for (const { post, put, delete: remove } of Object.values(paths)) {
    for (const operation of [post, put, remove] as (Documented | undefined)[]) {
      if (!operation || (operation.requestBody && !operation.requestBody.content['application/json'])) continue;
      for (const code of OF_BODIES) promiseRefusal(operation.responses, code);
    }
  }
}

function promiseRefusal(responses: Documented['responses'], code: ErrorCode): void {
  const refusal = { description: inWords(code), content: { 'application/json': { schema: { $ref: getSchemaPath(ErrorResponse) } } } };
  const known = responses[ERRORS[code].status];
  if (!known) responses[ERRORS[code].status] = refusal;
  else if (!known.description.includes(refusal.description)) known.description = `${refusal.description}\n\n${known.description}`;
}

/** The method's name; what several services have is told apart by the service. */
function operationIdFactory(controllerKey: string, methodKey: string): string {
  if (!SHARED.includes(methodKey)) return methodKey;
  const service = controllerKey.replace('StatusController', '');
  return `${service[0]?.toLowerCase()}${service.slice(1)}${methodKey[0]?.toUpperCase()}${methodKey.slice(1)}`;
}
