import fc from 'fast-check';
import { IsolationUnavailable } from '../isolation-unavailable.js';
import { CODE } from './bpf.js';
import { seccompFilter } from './seccomp.js';
import { AUDIT_ARCH, CLONE, CLONE3, IOCTL, MKNOD, MKNODAT, PERSONALITY, REFUSED, SOCKET } from './system-calls.js';

interface Call {
  number: number;
  architecture: number;
  args: readonly bigint[];
}

const [ALLOWED, KILLED, NOT_PERMITTED, NOT_THERE, NO_FAMILY] = ['allowed', 'killed', 'EPERM', 'ENOSYS', 'EAFNOSUPPORT'];
const ANSWERS = new Map([
  [0x7fff0000, ALLOWED],
  [0x80000000, KILLED],
  [0x00050001, NOT_PERMITTED],
  [0x00050026, NOT_THERE],
  [0x00050061, NO_FAMILY],
]);

/** What the kernel would make of a call, by another reading of the same bytes. */
function answerOf(filter: Buffer, { number, architecture, args }: Call): string | undefined {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(number >>> 0, 0);
  data.writeUInt32LE(architecture, 4);
  args.forEach((value, index) => {
    data.writeBigUInt64LE(value, 16 + 8 * index);
  });
  let loaded = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const [code, yes, no, k] = [filter.readUInt16LE(at), filter[at + 2]!, filter[at + 3]!, filter.readUInt32LE(at + 4)];
    const jump = (holds: boolean) => {
      at += 8 * (holds ? yes : no);
    };
    if (code === CODE.answer) return ANSWERS.get(k);
    if (code === CODE.load) loaded = data.readUInt32LE(k);
    else if (code === CODE.and) loaded = (loaded & k) >>> 0;
    else if (code === CODE.equal) jump(loaded === k);
    else if (code === CODE.atLeast) jump(loaded >= k);
    else if (code === CODE.anyBit) jump((loaded & k) !== 0);
    else throw new Error(`No such instruction: ${code}`);
  }
  return undefined;
}

const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const words = fc.array(word, { minLength: 6, maxLength: 6 });
const high = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((bits) => bits << 32n);

describe.each([
  ['x64', 0],
  ['arm64', 1],
] as const)('the filter for %s', (arch, column) => {
  const filter = seccompFilter(arch);
  const architecture = AUDIT_ARCH[arch];
  const refused: number[] = Object.values(REFUSED).flatMap((numbers) => numbers[column] ?? []);
  const looked: number[] = [CLONE, CLONE3, IOCTL, PERSONALITY, MKNOD, MKNODAT, SOCKET].flatMap((numbers) => numbers[column] ?? []);
  const told = (number: number, args: readonly bigint[] = []) => answerOf(filter, { number, architecture, args });
  /** That argument of a call, the others being anything. */
  const having = (index: number, value: bigint, others: readonly bigint[]) => others.map((other, at) => (at === index ? value : other));

  it('(64) refuses each call of the list, whatever its arguments', () => {
    fc.assert(fc.property(fc.constantFrom(...refused), words, (number, args) => told(number, args) === NOT_PERMITTED));
    for (const number of refused) expect([number, told(number)]).toEqual([number, NOT_PERMITTED]);
    expect([new Set(refused).size, refused.filter((number) => looked.includes(number))]).toEqual([refused.length, []]);
  });

  it('(64) lets each other call through, whatever its arguments', () => {
    const others = Array.from({ length: 600 }, (_, number) => number).filter(
      (number) => !refused.includes(number) && !looked.includes(number),
    );
    for (const number of others) expect([number, told(number)]).toEqual([number, ALLOWED]);
    fc.assert(fc.property(fc.constantFrom(...others), words, (number, args) => told(number, args) === ALLOWED));
  });

  it('(64) kills who calls by another table', () => {
    const other = fc.integer({ min: 0, max: 0xffffffff }).filter((value) => value !== architecture);
    fc.assert(
      fc.property(
        other,
        fc.integer({ min: 0, max: 500 }),
        (value, number) => answerOf(filter, { number, architecture: value, args: [] }) === KILLED,
      ),
    );
    expect(answerOf(filter, { number: 0, architecture: 0x40000003, args: [] })).toBe(KILLED); // i386
  });

  it('(64) has no table of x32, and no clone3', () => {
    fc.assert(fc.property(fc.integer({ min: 0x40000000, max: 0xffffffff }), words, (number, args) => told(number, args) === NOT_THERE));
    fc.assert(fc.property(words, (args) => told(CLONE3[column], args) === NOT_THERE));
  });

  it('(64) refuses clone exactly if it makes a namespace, whatever is in the half that the kernel does not look at', () => {
    const NEW = [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n];
    const makes = (flags: bigint) => NEW.some((flag) => (flags & flag) !== 0n);
    const expected = (flags: bigint) => (makes(flags) ? NOT_PERMITTED : ALLOWED);
    fc.assert(fc.property(word, words, (flags, others) => told(CLONE[column], having(0, flags, others)) === expected(flags)));
    fc.assert(fc.property(fc.constantFrom(...NEW), high, (flag, bits) => told(CLONE[column], [bits | flag | 17n]) === NOT_PERMITTED));
    for (const flags of [17n, 0x3d0f00n, 0x4111n]) expect(told(CLONE[column], [flags])).toBe(ALLOWED); // fork, pthread_create, vfork
  });

  it('(64) refuses to put words into a terminal', () => {
    fc.assert(
      fc.property(fc.constantFrom(0x5412n, 0x541cn), high, (request, bits) => told(IOCTL[column], [0n, bits | request]) === NOT_PERMITTED),
    );
    const others = word.filter((request) => ![0x5412n, 0x541cn].includes(request & 0xffffffffn));
    fc.assert(fc.property(others, (request) => told(IOCTL[column], [0n, request]) === ALLOWED));
  });

  it('(78) refuses sockets to the machine around a virtual one, and of the kernel’s ciphers; and no others', () => {
    const families = [40n, 38n];
    fc.assert(fc.property(fc.constantFrom(...families), high, (family, bits) => told(SOCKET[column], [bits | family]) === NO_FAMILY));
    const others = word.filter((family) => !families.includes(family & 0xffffffffn));
    fc.assert(fc.property(others, words, (family, rest) => told(SOCKET[column], having(0, family, rest)) === ALLOWED));
  });

  it('(63) refuses to make devices, and lets pipes, sockets and files be made', () => {
    const calls = [[MKNOD[column], 1] as const, [MKNODAT[column], 2] as const].filter(([number]) => number !== undefined);
    const devices = [0o020000, 0o060000];
    const others = [0o010000, 0o100000, 0o140000, 0];
    for (const [number, index] of calls)
      for (const kind of [...devices, ...others]) {
        const answer = devices.includes(kind) ? NOT_PERMITTED : ALLOWED;
        const holds = (bits: bigint, args: readonly bigint[], mode: number) =>
          told(number!, having(index, bits | BigInt(kind | mode), args)) === answer;
        fc.assert(fc.property(high, words, fc.nat(0o7777), holds));
      }
  });

  it('(64) refuses personalities under which addresses are foreseeable', () => {
    for (const usual of [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn]) expect(told(PERSONALITY[column], [usual])).toBe(ALLOWED);
    for (const unusual of [0x40000n, 0x100000n, 0x400000n, 0x40008n]) expect(told(PERSONALITY[column], [unusual])).toBe(NOT_PERMITTED);
  });
});

it('(83) is not there for other processors', () => {
  expect(() => seccompFilter('riscv64')).toThrow(IsolationUnavailable);
  expect(() => seccompFilter('toString')).toThrow(/no filter of system calls for toString; run the worker on x64 or arm64/);
});
