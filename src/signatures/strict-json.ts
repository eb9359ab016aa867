/**
 * What a text in JSON says, if it says it once: of two members of one name a person may see the first, and a program takes the last.
 * Throws SyntaxError, without a word of the text in it: there may be a secret there.
 */
export function parseStrictJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SyntaxError('not JSON');
  }
  const open: Set<string>[] = [];
  for (const [token, key] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') open.push(new Set());
    else if (token === '}') open.pop();
    else if (key !== undefined) addName(JSON.parse(key), open.at(-1)!);
  }
  return value;
}

function addName(name: string, names: Set<string>): void {
  if (names.has(name)) throw new SyntaxError(`has ${JSON.stringify(name)} twice in one object`);
  names.add(name);
}
