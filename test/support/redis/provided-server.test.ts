import { afterAll, expect, test, vi } from 'vitest'
import { execute } from './execute.ts'
import { provideRedis } from './provided-server.ts'
import { startRedis } from './server.ts'

const named = await startRedis()
// Hooks run backwards: the places on the named server have been emptied by then.
afterAll(async () => {
  expect(await named.execute('KEYS', '*')).toEqual(['mine'])
  await named.discard()
})
await named.execute('SET', 'mine', '1')

vi.stubEnv('RETRYSAFE_TEST_REDIS_URL', `${named.url}/?client=redis`)
const onNamed = [await provideRedis(), await provideRedis()]
vi.stubEnv('RETRYSAFE_TEST_REDIS_URL', 'redis://127.0.0.1:1')
const refused = await provideRedis().catch((error: Error) => error.message)
vi.stubEnv('RETRYSAFE_TEST_REDIS_URL', '')
const onOwn = [await provideRedis(), await provideRedis()]

const prefixOf = (url: string): string => new URL(url).searchParams.get('prefix') ?? ''

test('a place is on the server that the variable names', async () => {
  expect(onNamed.map(url => Number(new URL(url).port))).toEqual([named.port, named.port])
  expect(onNamed.map(url => new URL(url).searchParams.get('client'))).toEqual(['redis', 'redis'])
  for (const url of onNamed) expect(await execute(url, ['SET', `${prefixOf(url)}:{a}`, '1'])).toBe('OK')
  expect(await named.execute('DBSIZE')).toBe(3)
})

test('one that cannot be used says so', () => {
  expect(refused).toBe('the server of RETRYSAFE_TEST_REDIS_URL cannot be used: connect ECONNREFUSED 127.0.0.1:1')
})

test('without the variable it is on a server of the file, which they share', async () => {
  const ports = new Set(onOwn.map(url => new URL(url).port))
  expect(ports.size).toBe(1)
  expect(ports.has(String(named.port))).toBe(false)
  for (const url of onOwn) expect(await execute(url, ['PING'])).toBe('PONG')
})

test('each place is another', () => {
  const prefixes = [...onNamed, ...onOwn].map(prefixOf)
  expect(new Set(prefixes).size).toBe(4)
  for (const prefix of prefixes) expect(prefix).toMatch(/^test_\d+_\d+_\d+$/)
})
