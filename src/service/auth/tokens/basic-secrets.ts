import { parseForm } from '../../http/form.js';
import type { ClientSecret } from '../authenticate.service.js';

/**
 * What an Authorization header of the scheme Basic may mean; undefined: it is another one. Both parts are encoded as in a form (RFC 6749,
 * 2.3.1), so a colon can only be the one between them; but many clients send them as they are. No access token has a colon, so then the last
 * one is it.
 */
export function basicSecrets(authorization = ''): ClientSecret[] | undefined {
  const basic = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(authorization)?.[1];
  if (basic === undefined) return undefined;
  const text = Buffer.from(basic, 'base64').toString('latin1');
  const asIs = splitAt(text, text.lastIndexOf(':'));
  const { clientId, accessToken } = splitAt(text, text.indexOf(':'));
  try {
    const form = parseForm(`id=${clientId}&secret=${accessToken}`);
    return [{ clientId: form.id ?? '', accessToken: form.secret ?? '' }, asIs];
  } catch {
    return [asIs]; // not encoded so
  }
}

function splitAt(text: string, colon: number): ClientSecret {
  return { clientId: text.slice(0, Math.max(colon, 0)), accessToken: text.slice(colon + 1) };
}
