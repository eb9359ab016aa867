/** Bytes, not counting line breaks. What is shorter would be found everywhere, and its absence would tell what it is. */
export const SHORTEST_SECRET = 6;

/** Characters from which on a line of a secret is looked for by itself: shorter ones, as `{`, are in every log. */
const LONG_LINE = 8;

const LINE_BREAK = /\r\n?|\n/;
const CR = 13;
const LF = 10;

/** Whether a secret is long enough to be taken out of a log. Who is to configure one that is not should be told so. */
export function isRedactable(secret: string): boolean {
  return withoutBreaks(Buffer.from(secret)).length >= SHORTEST_SECRET;
}

/**
 * How a secret may look in a log: as it is, in base64 wherever that begins, in hex, in URLs, in JSON and in JSON within JSON; all of it, and
 * each long line. Line breaks are left out: who looks for these must not heed breaks, and so finds what was wrapped at any column, too.
 * In base64 the bits that share a character with what stands before or after a secret (at most four on a side) are not part of it.
 */
export function formsOf(secret: string): Buffer[] {
  const forms = new Map<string, Buffer>();
  for (const text of textsOf(secret.toWellFormed())) {
    for (const form of encodingsOf(text)) {
      const bytes = withoutBreaks(form);
      if (bytes.length >= SHORTEST_SECRET) forms.set(bytes.toString('latin1'), bytes);
    }
  }
  return [...forms.values()];
}

/** A file's last line break is often lost, and others may be written as the other kind. */
function textsOf(secret: string): string[] {
  const lines = secret.split(LINE_BREAK);
  const whole = [secret, secret.trim(), lines.join('\n').trim(), lines.join('\r\n').trim()];
  const long = lines.map((line) => line.trim()).filter((line) => line.length >= LONG_LINE);
  return [...new Set([...whole, ...long])].filter(isRedactable);
}

function encodingsOf(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const hex = bytes.toString('hex');
  const written = [text, hex, hex.toUpperCase(), ...base64Of(bytes), ...urlEncodingsOf(text), ...jsonOf(text)];
  return written.map((form) => Buffer.from(form));
}

function base64Of(bytes: Buffer): string[] {
  const aligned = [0, 1, 2].map((before) => base64Within(bytes, before));
  const standard = [bytes.toString('base64'), bytes.toString('base64').replace(/=+$/, ''), ...aligned];
  return [...standard, ...standard.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))];
}

/** The characters that say nothing but these bytes where so many others, of any three, stand before them. */
function base64Within(bytes: Buffer, before: number): string {
  const first = Math.ceil((before * 8) / 6);
  const end = Math.floor(((before + bytes.length) * 8) / 6);
  return Buffer.concat([Buffer.alloc(before), bytes])
    .toString('base64')
    .slice(first, end);
}

function urlEncodingsOf(text: string): string[] {
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, percent);
  const form = new URLSearchParams({ '': text }).toString().slice(1);
  const all = [component, strict, form, encodeURI(text), strict.replaceAll('%2F', '/'), strict.replaceAll('~', '%7E')];
  return [...all, ...all.map((one) => one.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
}

const percent = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** Writers differ in what they escape beyond what they must: slashes, what is not ASCII, what HTML would take for its own. */
function jsonOf(text: string): string[] {
  const plain = JSON.stringify(text).slice(1, -1);
  const ascii = plain.replace(/[\u007f-\uffff]/g, escaped);
  const html = plain.replace(/[<>&\u2028\u2029]/g, escaped);
  const all = [plain, ascii, html, ascii.replace(/[<>&]/g, escaped), plain.replaceAll('/', '\\/'), ascii.replaceAll('/', '\\/')];
  const upper = all.map((one) => one.replace(/\\u[0-9a-f]{4}/g, (code) => `\\u${code.slice(2).toUpperCase()}`));
  return [...all, ...upper, JSON.stringify(plain).slice(1, -1), JSON.stringify(ascii).slice(1, -1)];
}

const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

const withoutBreaks = (bytes: Buffer) => Buffer.from(bytes.filter((byte) => byte !== CR && byte !== LF));
