import { describe, expect, it, test } from 'vitest'
import { codeOf, isPassing, showsOutage, storeError } from '../../../src/stores/redis/store-error.ts'

const node = (code: string, message: string): Error => Object.assign(new Error(message), { code })

describe('what an error means', () => {
  it.each<[string, unknown, string, RegExp]>([
    [
      'a full server',
      new Error("OOM command not allowed when used memory > 'maxmemory'."),
      'STORE_FULL',
      /raise maxmemory/,
    ],
    [
      'the same as a script tells it',
      new Error('-OOM allow-oom flag is not set on the script'),
      'STORE_FULL',
      /is full/,
    ],
    [
      'a wrong password',
      new Error('WRONGPASS invalid username-password pair'),
      'STORE_UNAVAILABLE',
      /look at the store/,
    ],
    ['no password', new Error('NOAUTH Authentication required.'), 'STORE_UNAVAILABLE', /wants a password: put it/],
    ['no right', new Error('NOPERM no permissions'), 'STORE_UNAVAILABLE', /too few rights .*ACL SETUSER/],
    [
      'a disk that is full',
      new Error('MISCONF Errors writing to the AOF file'),
      'STORE_UNAVAILABLE',
      /refuses to write/,
    ],
    ['no replicas', new Error('NOREPLICAS Not enough good replicas'), 'STORE_UNAVAILABLE', /refuses to write/],
    ['foreign keys', new Error('WRONGTYPE Operation against a key'), 'STORE_INCOMPATIBLE', /a prefix of its own/],
    ['newer records', new Error('ERR user_script:12: RETRYSAFE_VERSION'), 'STORE_INCOMPATIBLE', /another version/],
    [
      'no cluster',
      Object.assign(new Error('Failed to refresh slots cache.'), {
        lastNodeError: new Error('ERR This instance has cluster support disabled'),
      }),
      'STORE_INCOMPATIBLE',
      /take redis:\/\//,
    ],
    ['a cluster', new Error('MOVED 866 127.0.0.1:7001'), 'STORE_INCOMPATIBLE', /take redis\+cluster:\/\//],
    ['nobody there', node('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:9'), 'STORE_UNAVAILABLE', /start it, or/],
    [
      'nobody at any address',
      new AggregateError([node('ECONNREFUSED', 'connect ECONNREFUSED ::1:9')]),
      'STORE_UNAVAILABLE',
      /ECONNREFUSED ::1:9/,
    ],
    ['an error without words', node('ECONNRESET', ''), 'STORE_UNAVAILABLE', /ECONNRESET/],
    ['a certificate', node('X', 'self-signed certificate in certificate chain'), 'STORE_UNAVAILABLE', /by ca=FILE/],
    ['what ioredis keeps to itself', new Error('Connection is closed.'), 'STORE_UNAVAILABLE', /no connection could be/],
    ['no error at all', 'gone', 'STORE_UNAVAILABLE', /gone/],
  ])('%s', (_, error, code, says) => {
    expect(storeError(error)).toMatchObject({ code, message: expect.stringMatching(says) })
  })

  it('is one line, of some length', () => {
    expect(storeError(new Error(`first\nsecond ${'x'.repeat(1_000)}`)).message).not.toContain('second')
    expect(storeError(new Error('x'.repeat(5_000))).message.length).toBeLessThan(500)
  })

  it('is as it was when it is ours', () => {
    const ours = storeError(new Error('OOM'))
    expect(storeError(ours)).toBe(ours)
  })
})

test.each<[string, boolean, boolean]>([
  ['LOADING Redis is loading the dataset in memory', true, true],
  ['READONLY You can not write against a read only replica.', true, true],
  ['CLUSTERDOWN The cluster is down', true, true],
  ['TRYAGAIN Multiple keys request during rehashing of slot', true, false],
  ['connect ECONNREFUSED 127.0.0.1:9', true, false],
  ['unable to verify the first certificate', false, false],
  ['OOM command not allowed', false, false],
  ['WRONGPASS invalid', false, false],
  ['NOPERM no', false, false],
])('%s: sent again %s, an outage %s', (message, again, outage) => {
  expect([isPassing(new Error(message)), showsOutage(new Error(message))]).toEqual([again, outage])
})

test('the code of an answer, and none of an error on the way', () => {
  expect(codeOf(new Error('NOSCRIPT No matching script.'))).toBe('NOSCRIPT')
  expect(codeOf(new Error('Socket closed unexpectedly'))).toBe('')
})
