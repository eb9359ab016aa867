import { allowedOrigin, type OutgoingSetting, REACHABLE_KINDS, writtenOrigin } from '../proxy/outgoing/allowed-origin.js';
import { SetupError } from '../state/setup-error.js';

/** More are no list that anybody has read. */
const MOST = 256;

const ORIGIN = { type: 'string', minLength: 1, maxLength: 300, description: 'As https://pypi.org, or https://*.example.com' };

export const OUTGOING = {
  type: 'array',
  maxItems: MOST,
  default: [],
  items: {
    ...ORIGIN,
    type: ['string', 'object'],
    properties: {
      origin: ORIGIN,
      addresses: {
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: { enum: REACHABLE_KINDS },
        description: 'Which addresses may be dialled there; public unless given, or what an address in the origin is itself',
      },
    },
    required: ['origin'],
    additionalProperties: false,
    description: 'An origin, or {"origin": …, "addresses": […]}',
  },
  description:
    'Origins that steps may reach by the proxy, without credentials: "https://pypi.org", "https://*.example.com" for all names below, {"origin": "http://mirror.example.com:8080", "addresses": ["private"]}',
};

/** What no schema can say of them. */
export function outgoingProblems(outgoing: readonly OutgoingSetting[]): string[] {
  const seen = new Set<string>();
  return outgoing.flatMap((setting, index) => {
    const problem = problemOf(setting, seen);
    return problem === undefined ? [] : [`outgoing.${index}${typeof setting === 'string' ? '' : '.origin'}: ${problem}`];
  });
}

function problemOf(setting: OutgoingSetting, seen: Set<string>): string | undefined {
  try {
    const written = writtenOrigin(allowedOrigin(setting));
    if (seen.has(written)) return 'is there twice; leave one out';
    seen.add(written);
    return undefined;
  } catch (error) {
    if (error instanceof SetupError) return error.message;
    throw error;
  }
}
