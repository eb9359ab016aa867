const SHORTEST_MISSPELLED = 8; // a shorter name is too easily near one of ours by chance, and somebody else's
const MOST_EDITS = 2;
const OTHERS = ['SMTP_URL']; // near AMQP_URL, and in many environments

/** A misspelled variable would silently leave its setting at the default. The environment is full of others' names: only near misses count. */
export function misspelled(environment: Record<string, string | undefined>, known: readonly string[]): string[] {
  return Object.keys(environment)
    .filter((name) => name.length >= SHORTEST_MISSPELLED && environment[name]?.trim() && ![...known, ...OTHERS].includes(name))
    .flatMap((name) => {
      const meant = known.find((other) => Math.abs(other.length - name.length) <= MOST_EDITS && edits(name, other) <= MOST_EDITS);
      return meant === undefined ? [] : [`${name}: is no setting; did you mean ${meant}?`];
    });
}

/** How many characters have to be put in, taken out or replaced to make one text of the other. */
function edits(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [row, character] of [...from].entries()) {
    const line = [row + 1];
    for (let column = 0; column < to.length; column++) {
      const replaced = (above[column] ?? 0) + (character === to[column] ? 0 : 1);
      line.push(Math.min(replaced, (above[column + 1] ?? 0) + 1, (line[column] ?? 0) + 1));
    }
    above = line;
  }
  return above[to.length] ?? 0;
}
