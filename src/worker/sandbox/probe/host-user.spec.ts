import { assertHostUser } from './host-user.js';

const ALL = '         0          0 4294967295\n';
const codeOf = (platform: string, uid: number | undefined, uidMap: string) => {
  try {
    assertHostUser({ platform, uid, uidMap });
    return 'fine';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

it('(83) is on Linux alone', () => {
  expect([codeOf('darwin', 501, ''), codeOf('win32', undefined, '')]).toEqual(['NOT_LINUX', 'NOT_LINUX']);
});

it('(65) is nobody who is root outside, whatever the number here', () => {
  expect(codeOf('linux', 0, ALL)).toBe('RUNS_AS_ROOT');
  expect(codeOf('linux', 1000, '1000 0 1')).toBe('RUNS_AS_ROOT');
  expect(codeOf('linux', 5, '0 1000 1\n1 100000 4\n5 0 1\n')).toBe('RUNS_AS_ROOT');
});

it('(65) may be the root of a namespace that is another user outside', () => {
  expect([codeOf('linux', 1000, ALL), codeOf('linux', 0, '0 100000 65536'), codeOf('linux', 0, '0 1000 1\n1 0 1\n')]).toEqual([
    'fine',
    'fine',
    'fine',
  ]);
});
