import { type ArgumentMetadata, Body, type PipeTransform } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ApiError } from './api-error.js';
import { checked } from './body.js';
import { fieldsOf } from './shape.js';

export const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Bytes. A form holds a token or two. */
const LONGEST_FORM = 64 * 1024;

/** Whether the operation takes a form, as those of OAuth do, and nothing else. */
export function takesForm(request: FastifyRequest): boolean {
  return (request.routeOptions?.config as { form?: boolean } | undefined)?.form === true;
}

/** Whether the operation also takes a name and a password, as those of OAuth do: what it answers may hold tokens. */
export function takesBasic(request: FastifyRequest): boolean {
  return takesForm(request) || (request.routeOptions?.config as { basic?: boolean } | undefined)?.basic === true;
}

/** The body of such an operation by its content type; undefined where it is none. Throws ApiError. */
export function parseFormBody(type: string | undefined, bytes: Buffer): Record<string, string> | undefined {
  if (type === 'application/json')
    throw new ApiError('MalformedPayload', `This operation takes a form, not JSON; send it with \`content-type: ${FORM_TYPE}\``);
  if (type !== FORM_TYPE) return undefined;
  if (bytes.length > LONGEST_FORM) throw new ApiError('InputTooLarge', `The form is larger than ${LONGEST_FORM} bytes; send less`);
  return parseForm(bytes.toString('latin1'));
}

/**
 * Strictly: URLSearchParams would take replacement characters for what is no UTF-8. An empty parameter counts as absent, and none may be
 * there twice (RFC 6749, 3.2): two readers could take two different ones.
 */
export function parseForm(text: string): Record<string, string> {
  const form = new Map<string, string>();
  for (const pair of text.split('&').filter((one) => one !== '')) {
    const [, name = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? [];
    const key = decoded(name);
    if (form.has(key)) throw new ApiError('InputValidationError', `The form has ${key.slice(0, 100)} more than once; send it once`);
    form.set(key, decoded(value));
  }
  return Object.fromEntries([...form].filter(([, value]) => value !== ''));
}

function decoded(text: string): string {
  try {
    if (/[^ -~]/.test(text)) throw new Error('is not printable ASCII');
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (cause) {
    throw new ApiError('MalformedPayload', 'The form is not percent-encoded UTF-8', { cause });
  }
}

/** The request's form, as an instance of the parameter's class, checked. What the class does not know is ignored (RFC 6749, 3.2). */
export function Form(): ParameterDecorator {
  return Body(new FormPipe());
}

class FormPipe implements PipeTransform {
  transform(value: unknown, { metatype }: ArgumentMetadata): object {
    if (value === undefined)
      throw new ApiError(
        'MalformedPayload',
        `This operation needs a form as its body, no JSON; send it with \`content-type: ${FORM_TYPE}\``,
      );
    const type = metatype as new () => object;
    const known = fieldsOf(type);
    return checked(type, Object.fromEntries(Object.entries(value as object).filter(([name]) => known.has(name))));
  }
}
