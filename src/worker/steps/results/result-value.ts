import { jsonProblem } from '../../../signatures/json-value.js';
import type { ResultValue, WantedResult } from '../../payload/payload.js';

/** In one result. */
const MOST_VALUES = 50_000;

/** What a result file says, by its declared type. Throws where it is something else; the message does not repeat what is in it. */
export function resultValue(type: WantedResult['type'], bytes: Uint8Array): ResultValue {
  if (type === 'binary') return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
  const text = textOf(bytes);
  if (type === 'string') return text;
  const value = jsonOf(text);
  if (jsonProblem(value, MOST_VALUES) !== undefined)
    throw new Error(`it has a lone surrogate, a member named __proto__, or more than ${MOST_VALUES} values, and no receipt could tell it`);
  if (type === 'array' && Array.isArray(value) && value.every(isText)) return value;
  if (type === 'object' && isTextsByName(value)) return value;
  throw new Error(type === 'array' ? 'it is no JSON array of strings' : 'it is no JSON object of strings');
}

const isText = (value: unknown): value is string => typeof value === 'string';

function isTextsByName(value: unknown): value is Record<string, string> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isText);
}

/** A mark of the byte order is part of the value: what is read is what was written. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error('it is not UTF-8; declare it as binary');
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('it is no JSON');
  }
}
