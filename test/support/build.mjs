import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';

/*
 * `npm run build`: everything compiled into `dist`, which is replaced as a whole. A worker starts programs from there while another command
 * builds, and two commands may build at once, so each does it in a folder of its own.
 */
const own = `.dist.${process.pid}`;
const swc = path.resolve('node_modules/@swc/cli/bin/swc.js');
const { status } = spawnSync(process.execPath, [swc, 'src', 'migrations', 'test', '--out-dir', path.join(own, 'new'), '--quiet'], {
  stdio: 'inherit',
});
try {
  if (status === 0) {
    if (existsSync('dist')) renameSync('dist', path.join(own, 'old'));
    renameSync(path.join(own, 'new'), 'dist');
  }
} finally {
  rmSync(own, { recursive: true, force: true });
}
process.exitCode = status ?? 1;
