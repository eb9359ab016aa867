import { existsSync, readFileSync } from 'node:fs';
import { oomKills, oomKillsIn } from './oom-kills.js';

it('(22) counts what the kernel killed for want of memory', () => {
  expect(oomKillsIn('pgmajfault 7\noom_kill 3\nnuma_hit 9\n')).toBe(3);
  expect(oomKillsIn('pgmajfault 7\n')).toBe(0);
  if (existsSync('/proc/vmstat')) expect(readFileSync('/proc/vmstat', 'utf8')).toContain(`\noom_kill ${oomKills()}\n`);
});
