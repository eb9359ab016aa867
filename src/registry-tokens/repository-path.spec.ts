import { isRepositoryName, repositoryPath } from './repository-path.js';

const DIGEST = `sha256:${'0'.repeat(64)}`;

describe('repositoryPath', () => {
  it.each([
    ['/v2/a/manifests/latest', 'a'],
    [`/v2/team-a/app/manifests/${DIGEST}`, 'team-a/app'],
    [`/v2/a/b__c/d.e/blobs/${DIGEST}`, 'a/b__c/d.e'],
    [`/v2/a/blobs/${DIGEST.replace(':', '%3A')}`, 'a'],
    ['/v2/a/blobs/sha512+b64u:LCa0a2j_xo_5m0U8HTBBNBNCLXBkg7-g-YpeiGJm564=', 'a'],
    ['/v2/a/tags/list?n=3&last=x', 'a'],
    [`/v2/a/referrers/${DIGEST}?artifactType=application/x`, 'a'],
    ['/v2/a/blobs/uploads/', 'a'],
    ['/v2/a/blobs/uploads', 'a'],
    ['/v2/a/blobs/uploads/?digest=sha256:0', 'a'],
    ['/v2/a/blobs/uploads/3f2b-x_y.z=~?_state=abc%3D&digest=sha256%3A0', 'a'],
    ['/v2/a/blobs/upload/1.2', 'a'], // GitHub's
    ['/v2/blobs/manifests/latest', 'blobs'],
    ['/v2/tags/app/tags/list', 'tags/app'],
    ['/v2/_catalog?n=100', ''],
    ['/v2/a/blobs/uploads/?mount=sha256:0', 'a'],
    ['/v2/a/manifests/latest?mounted=x&fromage=y', 'a'],
  ])('%s is about %j', (target, repository) => {
    expect(repositoryPath(target)).toEqual({ repository });
  });

  it.each([
    ['?mount=sha256:0&from=b/c', 'b/c'],
    ['?from=b%2Fc&mount=sha256%3A0', 'b/c'],
    ['?mount=sha256:0&fr%6Fm=b', 'b'],
  ])('38: /v2/a/blobs/uploads/%s mounts from %s', (query, mountedFrom) => {
    expect(repositoryPath(`/v2/a/blobs/uploads/${query}`)).toEqual({ repository: 'a', mountedFrom });
  });

  it.each([
    ...[
      '',
      '/',
      '/v2',
      '/v2/',
      '/v2/?n=1',
      '/v2//',
      '/v1/a/tags/list',
      '/V2/a/tags/list',
      '//v2/a/tags/list',
      'http://h/v2/a/tags/list',
      '*',
    ],
    ...[
      '/v2/a',
      '/v2/a/',
      '/v2/a/tags',
      '/v2/a/tags/list/',
      '/v2/a/tags/x',
      '/v2/tags/list',
      '/v2/manifests/latest',
      '/v2/_catalog/',
      '/v2/_catalog/x',
    ],
    ...[
      '/v2/token?scope=repository:a:pull',
      '/v2/a/_trust/tuf/root.json',
      '/v2/a/manifests/',
      '/v2/a/manifests/latest/',
      '/v2/a/blobs/',
      '/v2/a/referrers/',
    ],
  ])('10: %j is about no repository', (target) => {
    expect(repositoryPath(target)).toBeUndefined();
  });

  it.each([
    // One reads the last of the ends of a name, another the first.
    ...[
      '/v2/a/manifests/b/manifests/latest',
      '/v2/a/blobs/uploads/x/manifests/latest',
      '/v2/a/tags/list/tags/list',
      '/v2/a/referrers/b/blobs/x',
    ],
    ...[
      '/v2/a/tags/manifests/x',
      '/v2/a/blobs/uploads/tags/list',
      '/v2/a/manifests/blobs/uploads/',
      '/v2/a/blobs/uploads/x/blobs/uploads/',
    ],
    // One reads escapes before it looks for slashes and dots, another behind.
    ...[
      '/v2/a%2fb/tags/list',
      '/v2/a%2Fmanifests/x/tags/list',
      '/v2/%61/tags/list',
      '/v2/a/manifests/b%2fmanifests%2flatest',
      '/v2/a/manifests/%2e%2e',
    ],
    ...[
      '/v2/a%252fb/tags/list',
      '/v2/a/manifests/x%00',
      '/v2/a/manifests/x%3',
      '/v2/a/manifests/x%3B',
      '/v2/a/blobs/uploads%2fx',
      '/v2/_%63atalog',
    ],
    // One takes away what leads nowhere, another keeps it.
    ...[
      '/v2/a/../b/tags/list',
      '/v2/./a/tags/list',
      '/v2/a//b/tags/list',
      '/v2//a/tags/list',
      '/v2/a/manifests//latest',
      '/v2/a/blobs/uploads/..',
    ],
    ...[
      '/v2/a/blobs/uploads/.',
      '/v2/a/manifests/..',
      '/v2/a/manifests/.x',
      '/v2/a/blobs/..',
      '/v2/a;b/tags/list',
      '/v2/a/tags/list;x',
      '/v2/a\\b/tags/list',
    ],
    // What is no name, or no request target.
    ...[
      '/v2/A/tags/list',
      '/v2/a./tags/list',
      '/v2/-a/tags/list',
      '/v2/a..b/tags/list',
      '/v2/a___b/tags/list',
      '/v2/a:5000/b/tags/list',
      '/v2/ä/tags/list',
    ],
    ...[
      '/v2/a/tags/list#',
      '/v2/a/tags/list?x#y',
      '/v2/a /tags/list',
      '/v2/a/tags/list\n',
      '/v2/a/tags/list?x\r\ny',
      '/v2/a/tags/list?\u{1f600}',
      '/v2/a/tags/list?\0',
    ],
    ...[
      `/v2/${'a'.repeat(256)}/tags/list`,
      `/v2/a/tags/list?${'x'.repeat(8192)}`,
      `/v2/${'a/'.repeat(4096)}`,
      `/v2/${'manifests/'.repeat(800)}`,
    ],
  ])('10: %.80j may be read in two ways, or in none, and is refused', (target) => {
    expect(repositoryPath(target)).toBeUndefined();
  });

  it.each([
    ...[
      'mount=x&from=b&from=c',
      'from=b&mount=x&from=b',
      'mount=x&mount=y&from=b',
      'mount=x&from=b&fr%6fm=c',
      'mount=x&From=b',
      'MOUNT=x&from=b',
      'mount=x&+from=b',
    ],
    ...[
      'mount=x;from=b',
      'mount=x&from=b;from=c',
      'mount=x&from=',
      'mount=x&from',
      'mount=x&from=B',
      'mount=x&from=../b',
      'mount=x&from=b/',
      'mount=x&from=b%00',
    ],
    ...[
      'mount=x&from=b%252Fc',
      'mount=x&from=b+c',
      'mount=x&from=%zz',
      'mount=x&from=b/manifests/c',
      `mount=x&from=${'b'.repeat(256)}`,
      'from=b',
    ],
  ])('38: a mount that may be read in two ways is refused: ?%.60s', (query) => {
    expect(repositoryPath(`/v2/a/blobs/uploads/?${query}`)).toBeUndefined();
  });

  it.each(['/v2/a/tags/list', '/v2/a/manifests/latest', '/v2/a/blobs/uploads/x', '/v2/_catalog'])(
    '10: %s does not mount: registries would want to see more than it says',
    (path) => {
      expect(repositoryPath(path)).toBeDefined();
      expect(repositoryPath(`${path}?mount=x&from=b`)).toBeUndefined();
    },
  );
});

describe('isRepositoryName', () => {
  it('knows the longest', () => {
    expect(isRepositoryName('a'.repeat(255))).toBe(true);
    expect(isRepositoryName('a'.repeat(256))).toBe(false);
    expect(isRepositoryName('')).toBe(false);
  });
});
