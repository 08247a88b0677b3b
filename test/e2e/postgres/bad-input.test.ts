import { Client } from 'pg'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import { afterAll, describe, expect, test } from 'vitest'
import { startPostgres } from '../../support/postgres/server.ts'
import { runProgram } from '../../support/program.ts'
import { startTcpProxy } from '../../support/tcp-proxy.ts'

const server = await startPostgres({ password: 'hunter2' })
afterAll(server.stop)
const sound = await server.createDatabase()
const newer = await server.createDatabase()
const empty = await server.createDatabase()
const line = await startTcpProxy(server)
afterAll(line.stop)
line.stall('server')

await Promise.all([migrate({ url: sound }), migrate({ url: newer })])
const client = new Client({ connectionString: newer })
await client.connect()
await client.query("UPDATE retrysafe.migration SET version = 99; CREATE ROLE guest LOGIN PASSWORD 'hunter2'")
await client.query(
  "CREATE ROLE snap LOGIN PASSWORD 'hunter2'; ALTER ROLE snap SET default_transaction_isolation = 'serializable'",
)
await client.end()
await migrate({ url: sound, grantTo: 'snap' })

function changed(
  url: string,
  change: Partial<Record<'username' | 'password' | 'pathname' | 'port' | 'search', string>>,
): string {
  return Object.assign(new URL(url), change).href
}

/** `serve` complains on stderr and says nothing on stdout; of `doctor` the complaint is the finding that failed. */
const commands = {
  serve: {
    args: ['serve', '--upstream', 'http://127.0.0.1:9', '--port', '0', '--admin-port', '0'],
    complaint: /^retrysafe: --store: (.*)\n$/,
  },
  doctor: { args: ['doctor'], complaint: /^failed {3}\S+ +(.*)$/m },
  migrate: { args: ['migrate'], complaint: /^retrysafe: (.*)\n$/ },
} as const

async function complain(command: keyof typeof commands, store: string): Promise<{ code: number | null; says: string }> {
  const { args, complaint } = commands[command]
  const startedMs = performance.now()
  const { code, stdout, stderr } = await runProgram([...args, '--store', store])
  expect(stdout + stderr).not.toContain('hunter2')
  const text = command === 'doctor' && code === 1 ? stdout : stderr
  if (command !== 'doctor' || code === 2) expect(stdout).toBe('')
  expect(performance.now() - startedMs).toBeLessThan(9_000)
  const says = (code === 2 ? /^retrysafe: (.*)\n$/ : complaint).exec(text)?.[1]
  return { code, says: says ?? `not one line: ${text}` }
}

describe.each(['serve', 'doctor'] as const)('%s', command => {
  test.each<[string, string, RegExp]>([
    [
      'a password that is wrong',
      changed(sound, { password: 'no-hunter2' }),
      /refuses the role or its password.*look at the URL/,
    ],
    ['no password', changed(sound, { password: '' }), /wants a password.*put it into the store's URL/],
    ['an unknown role', changed(sound, { username: 'nobody' }), /refuses the role or its password.*look at the URL/],
    ['a missing database', changed(sound, { pathname: '/nowhere' }), /no such database.*create it, or name another/],
    ['nobody there', changed(sound, { port: '9' }), /ECONNREFUSED 127\.0\.0\.1:9; start it, or correct host and port/],
    ['a schema that is missing', empty, /schema retrysafe is missing.*run `retrysafe migrate --store URL`/],
    ['another schema that is missing', `${sound}?schema=other`, /run `retrysafe migrate --store URL --schema other`/],
    [
      'a schema of a newer version',
      newer,
      /has version 99, and this version of Retrysafe knows 1 at most.*install a newer/,
    ],
    ['a role without rights', changed(sound, { username: 'guest' }), /--grant-to ROLE/],
    ['snapshots by default', changed(sound, { username: 'snap' }), /serializable.*ALTER ROLE "snap" SET/],
  ])('%s: exit 1, one line that says what to do', async (_, store, says) => {
    const { code, says: said } = await complain(command, store)
    expect(said).toMatch(says)
    expect(code).toBe(1)
  })

  test.each<[string, string, RegExp]>([
    ['no database', 'postgres://user:hunter2@host', /names no database/],
    ['connections=0', changed(sound, { search: '?connections=0' }), /connections takes a whole number/],
    ['timeout=forever', changed(sound, { search: '?timeout=forever' }), /timeout takes a duration/],
    ['listen=nowhere', changed(sound, { search: '?listen=nowhere' }), /listen takes HOST:PORT or off/],
  ])('%s: exit 2, one line that says what it takes', async (_, store, says) => {
    const { code, says: said } = await complain(command, store)
    expect(said).toMatch(says)
    expect(code).toBe(2)
  })
})

test('a server that does not answer: exit 1, soon', async () => {
  const silent = line.through(sound)
  const told = await Promise.all([
    complain('serve', silent),
    complain('doctor', `${silent}?timeout=1s`),
    complain('migrate', silent),
  ])
  for (const { code, says } of told) {
    expect(says).toMatch(/out of reach.*timeout.*start it, or correct/)
    expect(code).toBe(1)
  }
})
