import { readlinkSync } from 'node:fs';
import { type Forwarding, forward } from './forward.js';

/*
 * The program that has the proxy's port for one step: in a network namespace with nothing but a loopback interface, which the step is put into
 * later. It stays out of the step's other namespaces, so that the step can neither see nor end it, and is ended with the step. What it is
 * told is the JSON in its first word; it says `ready` on standard output.
 */

export interface ForwarderSettings extends Forwarding {
  /** The network namespace of who starts it, as /proc names it. There anybody could call by this port. */
  outside: string;
}

const { outside, ...forwarding } = JSON.parse(process.argv[2] ?? '') as ForwarderSettings;
if (readlinkSync('/proc/self/ns/net') === outside) throw new Error('this is no network namespace of its own');
await forward(forwarding);
console.log('ready');
