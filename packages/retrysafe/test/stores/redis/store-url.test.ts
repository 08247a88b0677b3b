import { expect, it } from 'vitest'
import { RetrysafeError } from '../../../src/engine/errors.ts'
import { redisStore } from '../../../src/stores/redis/index.ts'
import { isRedisUrl, readStoreUrl } from '../../../src/stores/redis/store-url.ts'

const node = (host: string, port = 6_379) => ({ host, port })

it.each([
  ['redis://db', { isCluster: false, nodes: [node('db')] }],
  ['redis://db/', { isCluster: false, nodes: [node('db')] }],
  ['REDIS://db:7000/3', { isCluster: false, nodes: [node('db', 7_000)], database: 3 }],
  [' redis://:p%40ss@[::1]:7000/0 ', { isCluster: false, nodes: [node('::1', 7_000)], password: 'p@ss', database: 0 }],
  [
    'redis://app:p:w@db?prefix=a.b:c&timeout=2s&client=redis&evicting=allow',
    {
      isCluster: false,
      nodes: [node('db')],
      username: 'app',
      password: 'p:w',
      prefix: 'a.b:c',
      timeoutMs: 2_000,
      library: 'redis',
      allowEviction: true,
    },
  ],
  ['rediss://db', { isCluster: false, nodes: [node('db')], tls: {} }],
  [
    'redis+cluster://app:pw@one:7000,two,[::1]:7002/0?client=ioredis',
    {
      isCluster: true,
      nodes: [node('one', 7_000), node('two'), node('::1', 7_002)],
      username: 'app',
      password: 'pw',
      library: 'ioredis',
    },
  ],
  ['rediss+cluster://one,two', { isCluster: true, nodes: [node('one'), node('two')], tls: {} }],
])('reads %s', (url, read) => {
  expect(isRedisUrl(url.trim())).toBe(true)
  expect(readStoreUrl(url)).toEqual(read)
})

const forms =
  'it takes redis://user:password@host:6379/0 or redis+cluster://host:port,host:port, with %40 %2F %3F %23 for @ / ? # in a password'
const names = 'prefix, timeout, client, evicting, ca, cert, key'

it.each([
  ['redis:', forms],
  ['redis:db', forms],
  ['redis://', forms],
  ['redis:///0', forms],
  ['redis://user@', forms],
  ['redis://u:pa@ss@db', forms],
  ['redis://u:pa/ss@db', forms],
  ['redis://u:pa#ss@db', forms],
  ['redis://db#0', forms],
  ['redis://u:se%cret@db', 'a % in it is to be written %25'],
  ['redis://db/app', 'behind the host it takes the number of a database, such as /0'],
  ['redis://db/-1', 'behind the host it takes the number of a database, such as /0'],
  ['redis+cluster://db/1', 'a cluster has one database, 0'],
  ['redis://one,two', 'several hosts are a cluster: redis+cluster://host:port,host:port'],
  ['redis+cluster://one,,two', 'a host takes the form name:port, and a port 1 to 65535'],
  ['redis://db:0', 'a host takes the form name:port, and a port 1 to 65535'],
  ['redis://db:65536', 'a host takes the form name:port, and a port 1 to 65535'],
  ['redis://db:six', 'a host takes the form name:port, and a port 1 to 65535'],
  ['redis://::1:6379', 'a host takes the form name:port, and a port 1 to 65535'],
  ['redis://db?timeout=5', 'timeout takes a duration from 100ms to 10m'],
  ['redis://db?timeout=1ms', 'timeout takes a duration from 100ms to 10m'],
  ['redis://db?client=pg', 'client takes ioredis or redis'],
  ['redis://db?evicting=yes', 'evicting takes allow'],
  ['redis://db?prefix=a&prefix=b', 'prefix is given twice'],
  ['redis://db?prefx=a', `does not know prefx; it takes ${names}`],
  ['redis://db?ca=/x.pem&key=/y.pem', 'ca, key: only with TLS, rediss://'],
  ['rediss://db?cert=/x.pem', 'cert and key go together'],
])('refuses %s', (url, reason) => {
  expect(() => readStoreUrl(url)).toThrow(new RetrysafeError('CONFIG_INVALID', `the store's URL: ${reason}`))
})

it('names the file that cannot be read', () => {
  expect(() => readStoreUrl('rediss://db?ca=/nowhere/ca.pem')).toThrow(/the file of ca cannot be read: ENOENT.*ca\.pem/)
})

it('refuses a prefix that would be a pattern, or that nobody could type', () => {
  for (const prefix of ['', 'a b', 'a*', '{a}', 'x'.repeat(65), 'é']) {
    expect(() => redisStore({ url: `redis://db?prefix=${encodeURIComponent(prefix)}` })).toThrow(
      /a prefix takes 1 to 64/,
    )
  }
})

it('never shows a password', () => {
  for (const url of [
    'redis://u:secret@',
    'redis://u:secret@db:x',
    'redis://u:secret@db/secret',
    'redis://u:sec%ret@db?timeout=secret',
    'redis://u:secret@db?evicting=secret&client=secret',
    'redis://u:secret#@db',
    'redis://u:secret/@db',
    'redis://u:12?secret=x@db',
    'redis://u:12?secret@db',
    'redis+cluster://u:secret@a,,b',
  ]) {
    expect(() => readStoreUrl(url)).toThrow(/^(?!.*secret)/)
  }
})
