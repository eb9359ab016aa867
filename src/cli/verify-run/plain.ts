/** Characters of a text that are shown. */
const LONGEST = 150;

/** A text of somebody else, as a line on a terminal may have it: it cannot move the cursor, nor seem to be another line. */
export function plain(text: string): string {
  const line = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '�');
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}
