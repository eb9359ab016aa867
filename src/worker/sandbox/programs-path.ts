/** Where programs of the system are: ours, and those of steps that set no PATH. Nothing of the worker's own environment is in it. */
export const PROGRAMS_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
