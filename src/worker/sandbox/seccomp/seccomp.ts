import { IsolationUnavailable } from '../isolation-unavailable.js';
import { ARCHITECTURE, and, answer, argument, assemble, CODE, type Instruction, load, NUMBER, unless } from './bpf.js';
import { type Arch, AUDIT_ARCH, CLONE, CLONE3, IOCTL, MKNOD, MKNODAT, PERSONALITY, REFUSED, SOCKET } from './system-calls.js';

const KNOWN = Object.keys(AUDIT_ARCH).join(' or ');

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Numbers from here on are of the x32 table, by which every refused call could be made again. */
const X32 = 0x40000000;
/** CLONE_NEWNS, …CGROUP, …UTS, …IPC, …USER, …PID, …NET. */
const NEW_NAMESPACES = 0x7e020000;
/** What puts words into the terminal that the worker may have been started from. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** Sockets to the machine that a virtual one runs on, which no network namespace keeps anybody from; and the kernel's own ciphers. */
const AF_VSOCK = 40;
const AF_ALG = 38;
/** S_IFMT without the bit that tells S_IFBLK from S_IFCHR. */
const KIND_OF_NODE = 0o130000;
const DEVICE = 0o020000;
/** PER_LINUX, PER_LINUX32, both with UNAME26, and the question what it is. Others make addresses foreseeable. */
const PERSONALITIES = [0, 0x0008, 0x20000, 0x20008, 0xffffffff];

/**
 * The filter of system calls that bwrap loads for a step (`--seccomp`): a program of the kernel's classic BPF. It refuses what is known to
 * be of use for attacks and lets the rest through, since a task may run any program. Throws IsolationUnavailable.
 */
export function seccompFilter(arch: string): Buffer {
  if (!isKnown(arch))
    throw new IsolationUnavailable('SANDBOX_BROKEN', `There is no filter of system calls for ${arch}; run the worker on ${KNOWN}`);
  const column = arch === 'x64' ? 0 : 1;
  const refused = Object.values(REFUSED).flatMap((numbers) => numbers[column] ?? []);
  return assemble([
    ...onlyThe(AUDIT_ARCH[arch]),
    load(NUMBER),
    unless(CODE.atLeast, X32, 1),
    answer(ERRNO | ENOSYS),
    ...oneOf(refused, answer(ERRNO | EPERM)),
    // its flags are in memory, which a filter cannot read; libraries take clone instead
    unless(CODE.equal, CLONE3[column], 1),
    answer(ERRNO | ENOSYS),
    ...inCase(CLONE[column], 0, [unless(CODE.anyBit, NEW_NAMESPACES, 1), answer(ERRNO | EPERM)]),
    ...inCase(IOCTL[column], 1, oneOf([TIOCSTI, TIOCLINUX], answer(ERRNO | EPERM))),
    ...inCase(SOCKET[column], 0, oneOf([AF_VSOCK, AF_ALG], answer(ERRNO | EAFNOSUPPORT))),
    ...inCase(MKNOD[column], 1, DEVICES_REFUSED),
    ...inCase(MKNODAT[column], 2, DEVICES_REFUSED),
    ...inCase(PERSONALITY[column], 0, [...oneOf(PERSONALITIES, answer(ALLOW)), answer(ERRNO | EPERM)]),
    answer(ALLOW),
  ]);
}

const isKnown = (arch: string): arch is Arch => Object.hasOwn(AUDIT_ARCH, arch);

const DEVICES_REFUSED = [and(KIND_OF_NODE), unless(CODE.equal, DEVICE, 1), answer(ERRNO | EPERM)];

function onlyThe(architecture: number): Instruction[] {
  return [load(ARCHITECTURE), { code: CODE.equal, yes: 1, no: 0, k: architecture }, answer(KILL_PROCESS)];
}

/** That answer, if what was loaded is one of these. */
function oneOf(values: readonly number[], then: Instruction): Instruction[] {
  const last = values.length - 1;
  return [...values.map((k, index) => ({ code: CODE.equal, yes: last - index, no: index === last ? 1 : 0, k })), then];
}

/** Looks at an argument of that call. What comes after finds the number of the call again. */
function inCase(number: number | undefined, index: number, tests: readonly Instruction[]): Instruction[] {
  if (number === undefined) return [];
  return [unless(CODE.equal, number, tests.length + 2), load(argument(index)), ...tests, load(NUMBER)];
}
