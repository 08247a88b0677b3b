import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { makeStoreFolder } from '../../support/gateway.ts'
import { startPostgres } from '../../support/postgres/server.ts'
import { type Ended, type Environment, runProgram } from '../../support/program.ts'

const server = await startPostgres({ password: 'hunter2' })
afterAll(server.stop)
const url = await server.createDatabase()
await migrate({ url })

const run = (args: readonly string[], environment: Environment = {}): Promise<Ended> =>
  runProgram(['doctor', ...args], environment)

async function execute(sql: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(sql).finally(() => client.end())
}

describe('retrysafe doctor', () => {
  test('a sound store: a line a check, the sum, exit 0', async () => {
    const ended = await run(['--store', url])
    const lines = ended.stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(16)
    expect(lines[0]).toMatch(/^ok {7}version {13}PostgreSQL \d/)
    expect(lines.at(-1)).toBe('15 checks: 0 failed, 0 warnings')
    expect(ended).toMatchObject({ code: 0, stderr: '' })
  })

  test('what failed says what to do, and is exit 1; a warning alone is not', async () => {
    onTestFinished(() => execute('ALTER TABLE retrysafe.step SET LOGGED; SELECT retrysafe.maintain()'))
    await execute(
      'ALTER TABLE retrysafe.step SET UNLOGGED; INSERT INTO retrysafe.log VALUES ($$2200-01-01$$, $$$$, 1, 0, $$$$)',
    )
    const failed = await run([], { RETRYSAFE_STORE: url })
    expect(failed.stdout).toContain(
      'failed   unlogged            UNLOGGED, so emptied by a crash of the server: step. Do: ALTER TABLE retrysafe."step" SET LOGGED\n',
    )
    expect(failed.stdout).toMatch(/^warning {2}partitions .* 1 rows wait in log_default.*\. Do: a gateway that runs/m)
    expect(failed.stdout.trimEnd().split('\n').at(-1)).toBe('15 checks: 1 failed, 1 warning')
    expect(failed).toMatchObject({ code: 1, stderr: '' })
    await execute('ALTER TABLE retrysafe.step SET LOGGED')
    const warned = await run(['--store', url, '--json'])
    expect(warned.code).toBe(0)
    const { ok, findings } = JSON.parse(warned.stdout)
    expect(ok).toBe(true)
    expect(findings.filter((finding: { level: string }) => finding.level !== 'ok')).toMatchObject([
      { check: 'partitions', level: 'warning' },
    ])
  })

  test('--json is one line, also of what failed; --schema beats the URL', async () => {
    const ended = await run(['--store', `${url}?schema=retrysafe`, '--schema', 'nowhere', '--json'])
    expect(ended.stdout).toMatch(/^\{[^\n]+\}\n$/)
    const { event, ok, findings } = JSON.parse(ended.stdout)
    expect([event, ok]).toEqual(['examined', false])
    expect(findings.at(-1)).toEqual({
      check: 'schema',
      level: 'failed',
      says: 'schema nowhere is missing, or lacks its tables: run `retrysafe migrate --store URL --schema nowhere`',
    })
    expect(ended).toMatchObject({ code: 1, stderr: '' })
  })

  test('an LMDB folder that is there, that is not there yet, and one that cannot be', async () => {
    const folder = makeStoreFolder()
    const there = await run(['--store', `lmdb:${folder}`])
    expect(there.stdout).toMatch(/^ok {7}folder {7}\S+ is there\nok {7}file system {2}a local disk/)
    expect(there.code).toBe(0)
    const later = await run(['--store', `lmdb:${folder}/a/b`])
    expect(later.stdout).toContain(`${folder}/a/b will be made below ${folder}`)
    expect(later.code).toBe(0)
    const never = await run(['--store', 'lmdb:/proc/1/store'])
    expect(never.stdout).toMatch(/^failed {3}/m)
    expect(never.code).toBe(1)
  })

  test('memory: has nothing to look at', async () => {
    const ended = await run(['--store', 'memory:'])
    expect(ended.stdout).toBe(
      'ok       memory  nothing to look at: it is empty at every start, and of one process\n1 check: 0 failed, 0 warnings\n',
    )
    expect(ended.code).toBe(0)
  })

  test('--help tells every flag', async () => {
    const help = await run(['--help'])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    for (const flag of ['--store', 'RETRYSAFE_STORE', '--schema', '--json']) expect(help.stdout).toContain(flag)
  })
})
