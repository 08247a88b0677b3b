import { describe, expect, test } from 'vitest'
import { readRoutes } from '../../src/config/routes.ts'

describe('routes of the configuration file', () => {
  test('a route says what its flags say, for its paths', () => {
    const [route] = readRoutes([
      {
        match: '/openai/v1/chat/*',
        methods: ['POST', 'PUT'],
        keyless: 'require',
        keyReuse: 'fork',
        retention: '1h',
        wait: '5s',
        onCrash: 'fail',
        maxAttempts: 1,
        recordStatus: '200',
        expiryAware: true,
        tenant: 'header:X-Team',
        leaveOut: ['/metadata/trace_id', '/a~1b'],
      },
    ])
    expect(route?.pattern.segments).toEqual(['openai', 'v1', 'chat', '*'])
    expect(route?.rules).toEqual({
      methods: new Set(['POST', 'PUT']),
      keyless: 'require',
      keyReuse: 'fork',
      retentionMs: 3_600_000,
      waitMs: 5_000,
      onCrash: 'fail',
      maxAttempts: 1,
      recordStatus: [{ from: 200, to: 200 }],
      expiryAware: true,
      tenant: { kind: 'header', name: 'x-team' },
    })
    expect([...(route?.leaveOut?.children.keys() ?? [])]).toEqual(['metadata', 'a/b'])
  })

  test('a narrower route inside a wider one, in any order', () => {
    expect(readRoutes([{ match: '/a/b' }, { match: '/a/**' }, { match: '/**' }])).toHaveLength(3)
  })

  test.each<[string, unknown, string]>([
    ['no list', {}, 'it takes a list of routes'],
    ['a text', ['/a'], '[0]: it takes an object'],
    ['no pattern', [{ retention: '1h' }], '[0].match: it takes the pattern of a path'],
    ['a wrong pattern', [{ match: '/a' }, { match: 'b' }], '[1].match: it takes a path that begins with /'],
    [
      'a misspelled member',
      [{ match: '/a', retension: '1h' }],
      '[0].retension: a route has no such member; did you mean retention?',
    ],
    ['a member of the whole', [{ match: '/a', port: 1 }], '[0].port: it holds for the whole gateway'],
    ['a secret', [{ match: '/a', scopeSecretFile: 'x' }], '[0].scopeSecretFile: it holds for the whole gateway'],
    ['a wrong value', [{ match: '/a' }, { match: '/c', retention: '31d' }], '[1].retention: it takes 1s to 30d'],
    ['a wrong value in a list', [{ match: '/a', methods: ['POST', 7] }], '[0].methods[1]: it takes'],
    ['no pointers', [{ match: '/a', leaveOut: [] }], '[0].leaveOut: it takes a list of JSON pointers'],
    [
      'a pointer that is none',
      [{ match: '/a', leaveOut: ['user'] }],
      '[0].leaveOut: JSON pointer "user" does not begin with /',
    ],
    ['the whole document', [{ match: '/a', leaveOut: [''] }], '[0].leaveOut: JSON pointer "" is the whole document'],
    ['a wrong escape', [{ match: '/a', leaveOut: ['/a~2'] }], '[0].leaveOut: JSON pointer "/a~2" holds a ~'],
    ['too many pointers', [{ match: '/a', leaveOut: Array(33).fill('/a') }], '[0].leaveOut: 33 JSON pointers > 32'],
    [
      'one pattern twice',
      [{ match: '/a/*' }, { match: '/a/*' }],
      '/a/* (routes[0]) and /a/* (routes[1]) match the same paths',
    ],
    [
      'neither narrower',
      [{ match: '/a/*' }, { match: '/**' }, { match: '/*/b' }],
      '/a/* (routes[0]) and /*/b (routes[2]) overlap, and neither is narrower',
    ],
    ['too many', Array(1_001).fill({ match: '/a' }), '1001 routes > 1000'],
  ])('%s: refused with its place', (_, routes, message) => {
    expect(() => readRoutes(routes)).toThrow(message)
  })
})
