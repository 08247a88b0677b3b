import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { makeAuthority } from '../support/certificates.ts'
import { eventually } from '../support/eventually.ts'
import { runProgram, startProgram } from '../support/program.ts'
import { startRedisCluster } from '../support/redis/cluster.ts'
import { startRedis } from '../support/redis/server.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

const ours = makeAuthority('ours')
const others = makeAuthority('others')
const password = 'hunter2'
const acl = {
  noeval: 'on >hunter2 ~* &* +@all -evalsha -eval',
  nokeys: 'on >hunter2 ~other:* &* +@all',
  noslots: 'on >hunter2 ~* &* +@all -cluster',
}
const [plain, secured, cluster] = await Promise.all([
  startRedis({ password, acl, settings: { maxmemory: '64mb' } }),
  startRedis({ password, tls: ours }),
  startRedisCluster({ password, acl }),
])
afterAll(() => Promise.all([plain.stop(), secured.stop(), cluster.discard()]))
const line = await startTcpProxy(plain)
afterAll(line.stop)
line.stall('server')

const at = `127.0.0.1:${plain.port}`
const atTls = `127.0.0.1:${secured.port}`
const atNode = `127.0.0.1:${cluster.primaries[0]?.port}`

const serve = ['serve', '--upstream', 'http://127.0.0.1:9', '--port', '0', '--admin-port', '0']
/** `serve` complains on stderr and says nothing on stdout; of `doctor` the complaint is the finding that failed. */
const commands = {
  serve: { args: serve, complaint: /^retrysafe: --store: (.*)\n$/ },
  doctor: { args: ['doctor'], complaint: /^failed {3}\S+ +(.*)$/m },
} as const

interface Complaint {
  readonly code: number | null
  readonly says: string
}

async function complain(command: keyof typeof commands, store: string): Promise<Complaint> {
  const { args, complaint } = commands[command]
  const { code, stdout, stderr } = await runProgram([...args, '--store', store])
  expect(stdout + stderr).not.toContain('hunter2')
  const isFinding = command === 'doctor' && code === 1
  expect(isFinding ? stderr : stdout).toBe('')
  const text = isFinding ? stdout : stderr
  const says = (code === 2 ? /^retrysafe: (.*)\n$/ : complaint).exec(text)?.[1]
  return { code, says: says ?? `not one line: ${text}` }
}

/** `serve` through both libraries; `doctor` goes the same way, and has tests of its own. */
function complainTwice(store: string, parameters = ''): Promise<Complaint[]> {
  const stores = ['ioredis', 'redis'].map(client => `${store}?client=${client}${parameters}`)
  return Promise.all(stores.map(each => complain('serve', each)))
}

describe('exit 1, one line that says what to do', () => {
  const user = /refuses the user or its password \(WRONGPASS.*look at the store's URL$/
  const nothing = /wants a password: put it into the store's URL$/
  const rights = /ACL SETUSER name ~\S+ &\S+ \+@read/
  const single = /a single server, no cluster: take redis:\/\/ instead of redis\+cluster:\/\/$/
  const node = /a node of a cluster: take redis\+cluster:\/\/ instead of redis:\/\/$/
  const place = /out of reach: .*; start it, or correct host/
  const tls = /correct host, port and TLS \(rediss:\/\/ or redis:\/\/\) in the store's URL$/
  const certificate = /self-signed certificate.*; name its authority by ca=FILE in the store's URL$/
  const ca = (path: string) => `&ca=${encodeURIComponent(path)}`
  // Whoever may come later is waited for, as long as the URL says.
  const brief = '&timeout=1s'

  test.each<[string, string, string, RegExp]>([
    ['a password that is wrong', `redis://:no-hunter2@${at}`, '', user],
    ['the same, of a cluster', `redis+cluster://:no-hunter2@${atNode}`, '', user],
    ['an unknown user', `redis://nobody:hunter2@${at}`, '', user],
    ['no password', `redis://${at}`, '', nothing],
    ['the same, of a cluster', `redis+cluster://${atNode}`, '', nothing],
    ['a user without EVALSHA', `redis://noeval:hunter2@${at}`, '', /eval.*ACL SETUSER/i],
    ['a user without our keys', `redis://nokeys:hunter2@${at}`, '', rights],
    ['a user who may not ask for slots', `redis+cluster://noslots:hunter2@${atNode}`, '', rights],
    ["a cluster's URL, and a single server", `redis+cluster://:hunter2@${at}`, '', single],
    ["a single server's URL, and a cluster", `redis://:hunter2@${atNode}`, '', node],
    ['a database that is not there', `redis://:hunter2@${at}/99`, '', /no database of that number: name another/],
    ['a certificate of another authority', `rediss://:hunter2@${atTls}`, ca(others.path), certificate],
    ['a certificate of an unknown authority', `rediss://:hunter2@${atTls}`, '', certificate],
    ['nobody there', 'redis://:hunter2@127.0.0.1:9', brief, /ECONNREFUSED 127\.0\.0\.1:9; start it, or correct host/],
    ['no node there', 'redis+cluster://:hunter2@127.0.0.1:9', brief, place],
    ['no such host', 'redis://:hunter2@nowhere.invalid', brief, /ENOTFOUND nowhere\.invalid; start it, or correct/],
    ['TLS, and a server without', `rediss://:hunter2@${at}`, brief + ca(ours.path), tls],
    ['TLS, and a cluster without', `rediss+cluster://:hunter2@${atNode}`, brief + ca(ours.path), tls],
    ['no TLS, and a server with', `redis://:hunter2@${atTls}`, brief, tls],
    ['a server that says nothing', line.through(`redis://:hunter2@${at}`), brief, tls],
  ])('%s', async (_, store, parameters, says) => {
    for (const complaint of await complainTwice(store, parameters)) {
      expect(complaint.says).toMatch(says)
      expect(complaint.code).toBe(1)
    }
  })

  test.each<[string, string, RegExp]>([
    ['a password that is wrong', `redis://:no-hunter2@${at}`, user],
    ['a user without EVALSHA', `redis://noeval:hunter2@${at}`, /may not send EVAL: .*ACL SETUSER name ~rs:\*/],
    ["a cluster's URL, and a single server", `redis+cluster://:hunter2@${at}`, single],
    ["a single server's URL, and a cluster", `redis://:hunter2@${atNode}`, node],
    ['a certificate of an unknown authority', `rediss://:hunter2@${atTls}`, certificate],
  ])('doctor: %s', async (_, store, says) => {
    const complaint = await complain('doctor', store)
    expect(complaint.says).toMatch(says)
    expect(complaint.code).toBe(1)
  })

  test.each(['allkeys-lru', 'volatile-lru'])('%s', async policy => {
    await plain.execute('CONFIG', 'SET', 'maxmemory-policy', policy)
    onTestFinished(async () => void (await plain.execute('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')))
    const url = `redis://:hunter2@${at}`
    for (const { code, says } of [...(await complainTwice(url)), await complain('doctor', url)]) {
      expect(says).toContain(policy)
      expect(says).toMatch(/maxmemory-policy noeviction.*evicting=allow/)
      expect(code).toBe(1)
    }
  })
})

test('a server that says nothing is given up after 5 s', async () => {
  const startedMs = performance.now()
  const complaints = await Promise.all([
    complain('serve', line.through(`redis://:hunter2@${at}`)),
    complain('doctor', line.through(`redis://:hunter2@${at}`)),
  ])
  expect(complaints.map(({ code }) => code)).toEqual([1, 1])
  // Their own start included, on a machine that is busy.
  expect(performance.now() - startedMs).toBeLessThan(9_000)
})

describe('exit 2, one line that says what it takes', () => {
  test.each<[string, RegExp]>([
    ['redis:', /it takes redis:\/\/user:password@host:6379\/0 or redis\+cluster:\/\/host:port,host:port/],
    ['redis://u:hunter2/@db', /with %40 %2F %3F %23 for @ \/ \? # in a password/],
    ['redis://u:hunter2@db?prefx=a', /does not know prefx; it takes prefix, timeout, client, evicting, ca, cert, key/],
    ['rediss://u:hunter2@db?ca=/nowhere', /the file of ca cannot be read: ENOENT/],
  ])('%s', async (store, says) => {
    const complaint = await complain('serve', store)
    expect(complaint.says).toMatch(says)
    expect(complaint.code).toBe(2)
  })

  test('doctor: the same', async () => {
    const { code, says } = await complain('doctor', 'redis://u:hunter2@db?prefx=a')
    expect([code, says]).toEqual([2, expect.stringContaining('does not know prefx')])
  })

  test('answers that no string in Redis could keep', async () => {
    const ended = await runProgram([...serve, '--max-result', '501mb', '--store', `redis://:hunter2@${at}`])
    expect(ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: 'retrysafe: --max-result: a store in Redis keeps answers of 500mb at most; take less\n',
    })
  })
})

test.each(['ioredis', 'redis'])(
  '%s: what a server may forget is told in the log, and the gateway runs',
  async client => {
    const forgetful = await startRedis({ settings: { appendonly: 'no', 'maxmemory-policy': 'allkeys-lru' } })
    onTestFinished(() => forgetful.stop())
    const gateway = await startProgram([...serve, '--store', `${forgetful.url}?client=${client}&evicting=allow`])
    onTestFinished(gateway.stop)
    const lines = [
      /^retrysafe: Redis at 127\.0\.0\.1:\d+ may evict records .*allkeys-lru\): a call whose record was evicted runs again$/m,
      /^retrysafe: Redis at 127\.0\.0\.1:\d+ keeps no append-only file: a restart forgets records, and their calls run again$/m,
    ]
    for (const told of lines) await eventually(() => gateway.stderr()).toMatch(told)
    expect(gateway.stderr().trimEnd().split('\n')).toHaveLength(2)
  },
)
