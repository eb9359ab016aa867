/** What Node calls the processor (`process.arch`). */
export type Arch = 'x64' | 'arm64';

/** AUDIT_ARCH_… of linux/audit.h: by which table a call is meant. */
export const AUDIT_ARCH: Readonly<Record<Arch, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/**
 * Calls that a step has no use for, and that attacks on kernels begin with. Most of them need capabilities that a step lacks: here they
 * are refused even if it should find a way to get some, as it would in a user namespace of its own. By the number on x64, on arm64.
 */
export const REFUSED: Readonly<Record<string, readonly [x64?: number, arm64?: number]>> = {
  // namespaces and mounts: what is read-only would be made writable
  unshare: [272, 97],
  setns: [308, 268],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  open_tree_attr: [467, 467],
  // other processes' memory and files: PID 1 of the sandbox is the same user's
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  process_madvise: [440, 440],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  // large parts of the kernel with a long record of holes
  bpf: [321, 280],
  io_uring_setup: [425, 425],
  io_uring_enter: [426, 426],
  io_uring_register: [427, 427],
  userfaultfd: [323, 282],
  perf_event_open: [298, 241],
  fanotify_init: [300, 262],
  lookup_dcookie: [212, 18],
  // keyrings are the user's, not the sandbox's
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // files by number instead of by path: out of every mount
  name_to_handle_at: [303, 264],
  open_by_handle_at: [304, 265],
  // the machine itself
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  create_module: [174],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  get_kernel_syms: [177],
  query_module: [178],
  reboot: [169, 142],
  swapon: [167, 224],
  swapoff: [168, 225],
  acct: [163, 89],
  quotactl: [179, 60],
  quotactl_fd: [443, 443],
  nfsservctl: [180, 42],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  clock_adjtime: [305, 266],
  adjtimex: [159, 171],
  sethostname: [170, 161],
  setdomainname: [171, 162],
  syslog: [103, 116],
  vhangup: [153, 58],
  iopl: [172],
  ioperm: [173],
  modify_ldt: [154],
  uselib: [134],
  _sysctl: [156],
};

/** Calls that are refused for some arguments only. */
export const CLONE = [56, 220] as const;
export const CLONE3 = [435, 435] as const;
export const IOCTL = [16, 29] as const;
export const PERSONALITY = [135, 92] as const;
export const MKNOD = [133, undefined] as const;
export const MKNODAT = [259, 33] as const;
export const SOCKET = [41, 198] as const;
