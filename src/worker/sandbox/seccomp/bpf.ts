/** One `struct sock_filter`. Of a comparison, `yes` and `no` say how many instructions are skipped. */
export interface Instruction {
  code: number;
  yes: number;
  no: number;
  k: number;
}

/** The only codes that we need: BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND|BPF_K, BPF_JMP|BPF_JEQ|BPF_K, …JGE, …JSET, BPF_RET|BPF_K. */
export const CODE = { load: 0x20, and: 0x54, equal: 0x15, atLeast: 0x35, anyBit: 0x45, answer: 0x06 } as const;

/** Offsets in `struct seccomp_data`. */
export const NUMBER = 0;
export const ARCHITECTURE = 4;
/** The low half of an argument, which is all that the kernel looks at where it is an int. Both processors are little-endian. */
export const argument = (index: number) => 16 + 8 * index;

export const load = (offset: number): Instruction => ({ code: CODE.load, yes: 0, no: 0, k: offset });
export const and = (mask: number): Instruction => ({ code: CODE.and, yes: 0, no: 0, k: mask });
export const answer = (k: number): Instruction => ({ code: CODE.answer, yes: 0, no: 0, k });

/** Goes on with the next instruction if it holds, and skips some if not. */
export function unless(code: number, k: number, skip: number): Instruction {
  return { code, yes: 0, no: skip, k };
}

/** As the kernel reads it. Throws RangeError if a jump is too far for its byte. */
export function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, yes, no, k }, index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(yes, index * 8 + 2);
    bytes.writeUInt8(no, index * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, index * 8 + 4);
  });
  return bytes;
}
