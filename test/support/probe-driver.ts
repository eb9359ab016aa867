import { IsolationUnavailable } from '../../src/worker/sandbox/isolation-unavailable.js';
import { probeIsolation } from '../../src/worker/sandbox/probe.js';

/* Tells in a line what a worker would find here: given its settings, and a directory. */

const [settings, within] = process.argv.slice(2) as [string, string];
try {
  await probeIsolation(JSON.parse(settings), within);
  console.log('isolated');
} catch (error) {
  if (!(error instanceof IsolationUnavailable)) throw error;
  console.log(error.code, error.message);
}
