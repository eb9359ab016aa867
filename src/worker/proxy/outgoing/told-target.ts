const LONGEST = 1_000;

/** What may be told of where a request was to lead: neither a query, where signatures are, nor a user and password. `-`: it is nowhere. */
export function toldTarget(method: string, target = ''): string {
  if (method === 'CONNECT') return /^[\w.:[\]-]{1,300}$/.test(target) ? target : '-';
  if (target.startsWith('/')) return target.replace(/[?#].*$/s, '').slice(0, LONGEST);
  const url = /^https?:/i.test(target) && URL.canParse(target) ? new URL(target) : undefined;
  return url ? `${url.origin}${url.pathname}`.slice(0, LONGEST) : '-';
}
