import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { findConfigFile, readConfigFile } from '../../src/config/config-file.ts'
import { printConfig } from '../../src/config/printed-config.ts'
import { type Ask, readFileSettings, resolveSettings, type Settings } from '../../src/config/settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'retrysafe-config-'))
afterAll(() => rmSync(folder, { recursive: true }))
let files = 0

/** A file that only its owner may read, unless a mode says otherwise. */
function fileOf(text: string, ending: '.json' | '.js' | '.yaml' = '.json', mode = 0o600): string {
  const path = join(folder, `${files++}${ending}`)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

const nothing: Ask = () => undefined

async function settingsOf(path: string, ask = nothing): Promise<Settings> {
  return resolveSettings(ask, readFileSettings(await readConfigFile(path)))
}

async function faultOf(path: string): Promise<string> {
  try {
    await settingsOf(path)
    return 'none'
  } catch (error) {
    return error instanceof Error ? error.message.replace(`${path}: `, '') : String(error)
  }
}

describe('a configuration file', () => {
  test('each member says what its flag says: texts, numbers, lists, switches', async () => {
    const { config } = await settingsOf(
      fileOf(
        JSON.stringify({
          $schema: 'https://example.com/schema.json',
          host: '::1',
          port: 0,
          upstream: ['http://a.example', 'b=http://b.example/v1'],
          store: 'memory:',
          tenant: 'header:X-Tenant',
          scopeSecret: 'a secret of 16 ch',
          keyHeader: 'X-Request-Id',
          methods: ['POST', 'PUT'],
          recordStatus: ['200-299', '404'],
          retention: '1h',
          lease: '5s',
          keyless: 'require',
          keyReuse: 'fork',
          wait: '0',
          maxWaiters: 7,
          onCrash: 'fail',
          maxAttempts: 2,
          expiryAware: true,
          maxRequest: '1mb',
        }),
      ),
    )
    expect(config).toMatchObject({
      host: '::1',
      port: 0,
      store: 'memory:',
      tenant: { kind: 'header', name: 'x-tenant' },
      scopeSecret: 'a secret of 16 ch',
      keyHeaders: ['x-request-id'],
      methods: new Set(['POST', 'PUT']),
      recordStatus: [
        { from: 200, to: 299 },
        { from: 404, to: 404 },
      ],
      retentionMs: 3_600_000,
      leaseMs: 5_000,
      keyless: 'require',
      keyReuse: 'fork',
      waitMs: 0,
      maxWaiters: 7,
      onCrash: 'fail',
      maxAttempts: 2,
      expiryAware: true,
      maxRequestBytes: 1_048_576,
      // What it does not say is as ever.
      drainMs: 600_000,
    })
    expect([...config.upstreams.keys()]).toEqual(['default', 'b'])
  })

  test('flags beat the environment, that beats the file, and that the defaults', async () => {
    const path = fileOf('{ "retention": "1h", "lease": "5s", "wait": "1m" }')
    const settings = await settingsOf(path, flag => {
      if (flag.flag.startsWith('--retention')) return { from: 'flag', name: '--retention', values: ['2h'] }
      if (flag.flag.startsWith('--lease')) return { from: 'environment', name: 'RETRYSAFE_LEASE', values: ['6s'] }
      return undefined
    })
    expect(settings.config).toMatchObject({ retentionMs: 7_200_000, leaseMs: 6_000, waitMs: 60_000, drainMs: 600_000 })
    expect(printConfig(settings).config).toMatchObject({
      retention: { value: '2h', from: 'flag', name: '--retention' },
      lease: { value: '6s', from: 'environment', name: 'RETRYSAFE_LEASE' },
      wait: { value: '1m', from: 'file', name: `${path}: wait` },
      drain: { value: '10m', from: 'default' },
    })
  })

  test('what is printed is what a file may say, and comes to the same', async () => {
    const path = fileOf(
      '{ "upstream": "a=http://a.example", "expiryAware": true, "maxWaiters": 7, "methods": ["PUT"] }',
    )
    const settings = await settingsOf(path)
    const printed = Object.entries(printConfig(settings).config).filter(([, { value }]) => value !== null)
    const again = Object.fromEntries(printed.map(([name, { value }]) => [name, value]))
    expect((await settingsOf(fileOf(JSON.stringify(again)))).config).toEqual(settings.config)
  })

  test.each<[string, string, string]>([
    ['an unknown member', '{ "retentoin": "1h" }', 'retentoin: there is no such member; did you mean retention?'],
    ['a name from elsewhere', '{ "upstreams": [] }', 'upstreams: there is no such member; did you mean upstream?'],
    ['one like no other', '{ "whatever": 1 }', 'whatever: there is no such member'],
    ['a member of every object', '{ "__proto__": {}, "port": 1 }', '__proto__: there is no such member'],
    ['a text for a number', '{ "port": "8787" }', 'port: it takes a whole number from 0 to 65535'],
    ['a number out of range', '{ "port": 65536 }', 'port "65536": it takes a whole number from 0 to 65535'],
    [
      'a number for a duration',
      '{ "retention": 24 }',
      'retention: it takes a duration such as 500ms, 30s, 10m, 24h or 7d',
    ],
    ['a duration out of range', '{ "retention": "31d" }', 'retention "31d": it takes 1s to 30d'],
    ['a text for a switch', '{ "expiryAware": "on" }', 'expiryAware: it takes true or false'],
    ['null', '{ "store": null }', 'store: it takes a text'],
    ['an object', '{ "methods": {} }', 'methods: it takes a text'],
    ['an empty list', '{ "methods": [] }', 'methods: it takes one value at least'],
    ['a number in a list', '{ "methods": ["POST", {}] }', 'methods[1]: it takes a text'],
    ['a list for one value', '{ "store": ["memory:"] }', 'store: it takes a text'],
    ['a choice', '{ "onCrash": "explode" }', 'onCrash "explode": it takes rerun or fail'],
    ['no object', '[]', 'it takes an object'],
    ['no JSON', '{\n  "adminToken": "topsecret-topsecret" x }', 'it is no JSON: '],
    ['a byte order mark', '\ufeff{}', 'it is no JSON: '],
    [
      'a member that is said twice',
      '{\n  "onCrash": "fail",\n  "routes": [],\n  "\\u006fnCrash": "topsecret" }',
      'onCrash: it is said twice (line 4, column 3)',
    ],
    [
      'one that a route says twice',
      '{ "routes": [{ "match": "/a", "wait": "1s" }, { "match": "/b:\\"{", "wait": "1s", "wait": "2s" }] }',
      'wait: it is said twice (line 1, column 82)',
    ],
  ])('%s is told with its place', async (_, text, message) => {
    const fault = await faultOf(fileOf(text))
    expect(fault).toContain(message)
    expect(fault).not.toContain('topsecret')
  })

  test('a fault of JSON is told with line and column', async () => {
    expect(await faultOf(fileOf('{\n  "port": 1,\n}'))).toMatch(/^it is no JSON: .* \(line 3, column 1\)$/)
  })

  test.each<[string, string]>([
    ['a credential in an upstream’s URL', '{ "upstream": "https://me:topsecret@a.example" }'],
    ['a short secret', '{ "scopeSecret": "topsecret" }'],
    ['a secret in a route', '{ "routes": [{ "match": "/a", "adminToken": "topsecret-topsecret" }] }'],
    ['a secret of another type', '{ "adminToken": ["topsecret-topsecret"] }'],
    ['a secret under a misspelled name', '{ "adminTokn": "topsecret-topsecret" }'],
  ])('%s is refused and not shown', async (_, text) => {
    const fault = await faultOf(fileOf(text))
    expect(fault).not.toBe('none')
    expect(fault).not.toContain('topsecret')
  })

  test.each<[string, string]>([
    ['the token', '{ "adminToken": "topsecret-topsecret" }'],
    ['a store’s password', '{ "store": "postgres://me:topsecret@a.example/db" }'],
    ['one behind the question mark', '{ "store": "postgres://a.example/db?password=topsecret" }'],
  ])('%s in a file that others may read is refused, in one’s own it is not', async (_, text) => {
    for (const mode of [0o640, 0o604]) {
      const fault = await faultOf(fileOf(text, '.json', mode))
      expect(fault).toContain('a secret stands in a file that others may read: chmod 600 it')
      expect(fault).not.toContain('topsecret')
    }
    const settings = await settingsOf(fileOf(text))
    expect(JSON.stringify(printConfig(settings))).toContain('***')
    expect(JSON.stringify(printConfig(settings))).not.toContain('topsecret')
  })

  test('a secret may stand in a file of its own', async () => {
    const secret = fileOf('a secret of 16 ch\n')
    const path = fileOf(JSON.stringify({ scopeSecretFile: secret }), '.json', 0o644)
    expect((await settingsOf(path)).config.scopeSecret).toBe('a secret of 16 ch')
    expect(await faultOf(fileOf('{ "adminTokenFile": "/nowhere" }'))).toBe(
      'adminTokenFile: /nowhere cannot be read: ENOENT',
    )
    const twice = fileOf(JSON.stringify({ scopeSecret: 'a secret of 16 ch', scopeSecretFile: secret }))
    expect(await faultOf(twice)).toBe('scopeSecretFile: it is said twice, as itself and by a file')
  })
})

describe('routes that no request could take are refused', () => {
  test.each<[string, string, string]>([
    ['a slip', '{ "routes": [{ "match": "/a/**" }] }', 'routes[0].match: /a/**: no upstream serves it'],
    [
      'one that tells what is meant',
      '{ "upstream": "azure=http://a.example", "routes": [{ "match": "/azure/**" }, { "match": "/azrue/v1" }] }',
      'routes[1].match: /azrue/v1: no upstream serves it; did you mean /azure/?',
    ],
    [
      'the gateway’s own paths',
      '{ "upstream": "http://a.example", "routes": [{ "match": "/_retrysafe/streams/*" }] }',
      'routes[0].match: /_retrysafe/streams/*: it is the gateway’s own',
    ],
  ])('%s', async (_, text, message) => {
    expect(await faultOf(fileOf(text))).toBe(message)
  })

  test.each<[string, string]>([
    [
      'an upstream without a name serves every path',
      '{ "upstream": "http://a.example", "routes": [{ "match": "/a" }] }',
    ],
    ['any first segment', '{ "routes": [{ "match": "/*/v1/chat/*" }, { "match": "/**" }] }'],
    ['one that is built in', '{ "routes": [{ "match": "/ollama/api/**" }] }'],
  ])('%s: not refused', async (_, text) => {
    expect(await faultOf(fileOf(text))).toBe('none')
  })
})

describe('a configuration that is a program', () => {
  test.each([
    ['an object', 'export default { retention: "1h", lease: undefined }'],
    ['a function', 'export default () => ({ retention: "1h" })'],
    ['a promise', 'export default async () => ({ retention: "1h" })'],
    ['CommonJS', 'module.exports = { retention: "1h" }'],
  ])('%s', async (_, text) => {
    expect((await settingsOf(fileOf(text, '.js'))).config).toMatchObject({ retentionMs: 3_600_000, leaseMs: 30_000 })
  })

  test.each([
    ['it throws', 'export default () => { throw new RangeError("no vault") }', 'it failed: RangeError: no vault'],
    ['it is no program', 'export default {', 'it failed: '],
    ['nothing is exported', 'export const config = {}', 'it takes an object, or a function that returns one'],
    ['it gives a list', 'export default []', 'it takes an object, or a function that returns one'],
    ['it gives a map', 'export default new Map([["port", 1]])', 'it takes an object, or a function that returns one'],
    [
      'it gives what has no members of its own',
      'class Settings { get port() { return 1 } }; export default new Settings()',
      'it takes an object, or a function that returns one',
    ],
    [
      'a member that throws',
      'export default { get store() { throw new RangeError("no vault") } }',
      'it failed: RangeError: no vault',
    ],
    ['a wrong member', 'export default { prot: 1 }', 'prot: there is no such member; did you mean port?'],
  ])('%s: told with its name', async (_, text, message) => {
    expect(await faultOf(fileOf(text, '.js'))).toContain(message)
  })

  test('a secret that it has from elsewhere may be anybody’s to run, one that stands in it may not', async () => {
    const computed = 'export default { adminToken: ["topsecret", "topsecret"].join("-") }'
    expect(await faultOf(fileOf(computed, '.js', 0o644))).toBe('none')
    const literal = 'export default { adminToken: "topsecret-topsecret" }'
    expect(await faultOf(fileOf(literal, '.js', 0o644))).toContain('a secret stands in a file')
  })
})

describe('which file', () => {
  test('the one in the folder; none; or both, which is refused', async () => {
    const place = mkdtempSync(join(folder, 'place-'))
    expect(await findConfigFile(place)).toBeUndefined()
    writeFileSync(join(place, 'retrysafe.config.js'), '')
    expect(await findConfigFile(place)).toBe(join(place, 'retrysafe.config.js'))
    writeFileSync(join(place, 'retrysafe.config.json'), '')
    await expect(findConfigFile(place)).rejects.toThrow('are both there')
  })

  test('another ending, a file that is not there, and one that is too large are told', async () => {
    await expect(readConfigFile(fileOf('', '.yaml'))).rejects.toThrow('ends in .json or .js')
    await expect(readConfigFile(join(folder, 'nowhere.json'))).rejects.toThrow('it cannot be read: ENOENT')
    await expect(readConfigFile(fileOf(' '.repeat(1_048_577)))).rejects.toThrow('at most 1048576 bytes')
  })
})
