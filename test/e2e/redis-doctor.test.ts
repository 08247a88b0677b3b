import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { type Ended, type Environment, runProgram } from '../support/program.ts'
import { startRedis } from '../support/redis/server.ts'

const server = await startRedis({ password: 'hunter2', settings: { maxmemory: '64mb' } })
afterAll(() => server.stop())

const run = (args: readonly string[], environment: Environment = {}): Promise<Ended> =>
  runProgram(['doctor', ...args], environment)

describe('retrysafe doctor, of a Redis store', () => {
  test.each(['ioredis', 'redis'])('a sound server, through %s: a line a check, the sum, exit 0', async client => {
    const ended = await run(['--store', `${server.url}?client=${client}`])
    const lines = ended.stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^ok {7}version {13}Redis \d/)
    expect(lines).toHaveLength(12)
    expect(lines.at(-1)).toBe('11 checks: 0 failed, 0 warnings')
    expect(ended).toMatchObject({ code: 0, stderr: '' })
  })

  test('what failed says what to do, and is exit 1; a warning alone is not; --json is one line', async () => {
    const set = (policy: string): Promise<unknown> => server.execute('CONFIG', 'SET', 'maxmemory-policy', policy)
    onTestFinished(async () => void (await set('noeviction')))
    await set('volatile-lru')
    const failed = await run([], { RETRYSAFE_STORE: server.url })
    expect(failed.stdout).toMatch(/^failed {3}maxmemory-policy {4}volatile-lru: .*\. Do: maxmemory-policy noeviction /m)
    expect(failed.stdout.trimEnd().split('\n').at(-1)).toBe('11 checks: 1 failed, 0 warnings')
    expect(failed).toMatchObject({ code: 1, stderr: '' })
    const warned = await run(['--store', `${server.url}?evicting=allow`, '--json'])
    expect(warned.stdout).toMatch(/^\{[^\n]+\}\n$/)
    const { event, ok, findings } = JSON.parse(warned.stdout)
    expect([event, ok]).toEqual(['examined', true])
    expect(findings.filter((finding: { level: string }) => finding.level !== 'ok')).toEqual([
      {
        check: 'maxmemory-policy',
        level: 'warning',
        says: 'volatile-lru: a full server drops records that count; their calls run again (evicting=allow)',
        cure: 'maxmemory-policy noeviction in redis.conf, and by CONFIG SET until the next start',
      },
    ])
    expect(warned).toMatchObject({ code: 0, stderr: '' })
  })
})
