const LITTLE_ENDIAN_64 = Buffer.from('\x7fELF\x02\x01', 'latin1');
/** PT_INTERP: which loader the program needs. */
const INTERPRETER = 3;

/** Whether the beginning of a file is that of a program for Linux (64 bit, little-endian) which needs no other file to run. */
export function isStaticProgram(head: Buffer): boolean {
  if (head.length < 64 || !head.subarray(0, 6).equals(LITTLE_ENDIAN_64)) return false;
  const [table, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
  if (count === 0 || size < 4 || table + size * count > head.length) return false;
  return !Array.from({ length: count }, (_, index) => head.readUInt32LE(table + index * size)).includes(INTERPRETER);
}
