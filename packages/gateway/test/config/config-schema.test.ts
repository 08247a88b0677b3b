import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { afterAll, expect, test } from 'vitest'
import { readConfigFile } from '../../src/config/config-file.ts'
import { configSchema } from '../../src/config/config-schema.ts'
import { readFileSettings, resolveSettings } from '../../src/config/settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'retrysafe-schema-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'retrysafe.config.json')
const validate = new Ajv({ allErrors: true }).compile(configSchema())

test('the published schema is what the table of flags says; if not: vitest -u', async () => {
  const schema = `${JSON.stringify(configSchema(), undefined, 2)}\n`
  await expect(schema).toMatchFileSnapshot('../../retrysafe.config.schema.json')
})

async function isRead(value: unknown): Promise<boolean> {
  writeFileSync(path, JSON.stringify(value), { mode: 0o600 })
  try {
    resolveSettings(() => undefined, readFileSettings(await readConfigFile(path)))
    return true
  } catch {
    return false
  }
}

test.each<[boolean, unknown]>([
  [true, {}],
  [true, { $schema: './schema.json', port: 0, upstream: 'http://a.example' }],
  [true, { upstream: ['http://a.example', 'b=http://b.example'], methods: ['POST'], expiryAware: false }],
  [true, { retention: '1.5h', wait: '0', maxRequest: '32MB', recordStatus: '201', keyless: 'require' }],
  [true, { scopeSecret: 'a secret of 16 ch', upstreamCa: [] }],
  [
    true,
    { routes: [{ match: '/ollama/**' }, { match: '/ollama/*', retention: '1h', leaveOut: ['/a'], maxAttempts: 1 }] },
  ],
  [true, { onDisconnect: 'grace:30s', allowClientHeader: ['Retrysafe-Bypass'], upstreamRetries: 3 }],
  [false, []],
  [false, { prot: 1 }],
  [false, { port: '8787' }],
  [false, { port: 65_536 }],
  [false, { port: 1.5 }],
  [false, { retention: 3_600 }],
  [false, { retention: '1 hour' }],
  [false, { maxRequest: '32 mb' }],
  [false, { expiryAware: 'on' }],
  [false, { keyless: 'sometimes' }],
  [false, { methods: [] }],
  [false, { methods: ['POST', 1] }],
  [false, { store: ['memory:'] }],
  [false, { scopeSecret: 'short' }],
  [false, { onDisconnect: 'grace' }],
  [false, { allowClientHeader: 'Authorization' }],
  [false, { routes: {} }],
  [false, { routes: [{ retention: '1h' }] }],
  [false, { routes: [{ match: 'a' }] }],
  [false, { routes: [{ match: '/a', port: 1 }] }],
  [false, { routes: [{ match: '/a', leaveOut: [] }] }],
  [false, { routes: [{ match: '/a', leaveOut: ['a'] }] }],
  [false, { routes: [{ match: '/a', leaveOut: Array(33).fill('/a') }] }],
  [false, { routes: [{ match: '/a', keyReuse: 'both' }] }],
])('schema and reader agree: %s %j', async (isValid, value) => {
  expect([validate(value), await isRead(value)]).toEqual([isValid, isValid])
})

test.each([
  ['a range', { retention: '31d' }],
  ['an overlap', { routes: [{ match: '/a/*' }, { match: '/*/b' }] }],
  ['a route that no upstream serves', { routes: [{ match: '/opnai/**' }] }],
  ['two of one name', { upstream: ['a=http://a', 'a=http://b'] }],
])('what only the reader knows: %s', async (_, value) => {
  expect([validate(value), await isRead(value)]).toEqual([true, false])
})
