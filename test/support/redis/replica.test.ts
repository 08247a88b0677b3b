import { afterAll, expect, test } from 'vitest'
import { eventually } from '../eventually.ts'
import { execute } from './execute.ts'
import { startRedisWithReplica } from './replica.ts'

const pair = await startRedisWithReplica({ password: 's@cret' })
const { primary, replica } = pair
afterAll(() => pair.discard())

test('a replica follows its primary, also when it was killed, and takes no writes', async () => {
  await primary.execute('SET', 'a', '1')
  await pair.waitUntilEven()
  expect(await replica.execute('GET', 'a')).toBe('1')
  await expect(replica.execute('SET', 'a', '2')).rejects.toThrow('READONLY')
  await replica.kill()
  await primary.execute('SET', 'a', '3')
  await replica.start()
  await eventually(() => replica.execute('GET', 'a')).toBe('3')
})

test('behind a stalled link it lacks what the primary acknowledged, and is the primary when that is gone', async () => {
  const link = await pair.intercept()
  await primary.execute('SET', 'b', 'arrives')
  await pair.waitUntilEven()
  expect(replica.log()).toContain('Successful partial resynchronization with master')
  link.stall()
  expect(await execute(pair.url, ['SET', 'b', 'acknowledged'])).toBe('OK')
  expect(await primary.execute('WAIT', '1', '50')).toBe(0)
  await primary.kill()
  await expect(execute(pair.url, ['GET', 'b'])).rejects.toThrow()

  expect(await pair.promote()).toBe(replica)
  expect(await execute(pair.url, ['GET', 'b'])).toBe('arrives')
  expect(await execute(pair.url, ['SET', 'b', 'anew'])).toBe('OK')
  await replica.restart()
  expect((await replica.execute('ROLE')) as unknown[]).toContain('master')
  expect(await execute(pair.url, ['GET', 'b'])).toBe('anew')
})
