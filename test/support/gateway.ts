import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from 'retrysafe/internal/stores/postgres/migrate'
import type { Place } from './place.ts'
import { provideDatabase } from './postgres/provided-database.ts'
import { type Environment, type Program, startProgram } from './program.ts'
import { startRedisCluster } from './redis/cluster.ts'
import { provideRedis } from './redis/provided-server.ts'
import { startTcpProxy } from './tcp-proxy.ts'

const kinds = ['lmdb', 'memory', 'postgres', 'redis', 'redis-cluster'] as const

/**
 * The store that the gateways of these tests are on, unless a test names one: a folder of its own, memory, a schema of
 * its own in PostgreSQL, or a prefix of its own in Redis or in a cluster of three nodes.
 */
export const storeKind = readKind(process.env.RETRYSAFE_TEST_STORE ?? 'lmdb')

/** Whether it is one for several processes: then each gateway is two of them that take turns. */
export const isShared = storeKind !== 'lmdb' && storeKind !== 'memory'
export const isRedis = storeKind === 'redis' || storeKind === 'redis-cluster'

const place = await providePlace()
let stores = 0

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})
// The test runner ends its workers by a signal, and without this no `exit` is told.
process.once('SIGTERM', () => process.exit(143))

/** A folder for a store, gone when this process ends. */
export function makeStoreFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-e2e-'))
  folders.push(folder)
  return folder
}

/** Flags that put a gateway on the LMDB store in `folder`. */
export function storeIn(folder: string): readonly string[] {
  return ['--store', `lmdb:${folder}`]
}

/** Flags that put a gateway, and any other one, on a new store of the kind that is tested; not in memory. */
export async function makeStore(): Promise<readonly string[]> {
  return isShared ? ['--store', await makeSharedStore()] : storeIn(makeStoreFolder())
}

/**
 * On LMDB nobody waits for a lease whose owner is gone: an hour shows that. Elsewhere its end, and the grace of two
 * seconds after it, are waited for.
 */
export const takeoverLease = isShared ? '1s' : '1h'

/** A gateway in a process of its own; or two that are one to who calls. */
export interface Gateway extends Program {
  readonly url: string
  readonly admin: string
}

/**
 * Starts a gateway before `upstream`, or several (`NAME=URL`), or the built-in ones alone, on ports that the system picks.
 * Where `isShared`, unless the flags name a store: two on one store, of which each gets every other connection.
 */
export async function startGateway(
  upstream: string | readonly string[],
  flags: readonly string[] = [],
  environment: Environment = {},
  wrapper: readonly string[] = [],
): Promise<Gateway> {
  const namesStore = flags.includes('--store') || environment.RETRYSAFE_STORE !== undefined
  if (namesStore || !isShared) return startOneGateway(upstream, flags, environment, wrapper)
  const all = [...(await makeStore()), ...flags]
  const start = (): Promise<Gateway> => startOneGateway(upstream, all, environment, wrapper)
  return joinPair(await Promise.all([start(), start()]))
}

/** The same in one process whatever it is on, for what is about a process: its memory, its waiters, its end. */
export async function startOneGateway(
  upstream: string | readonly string[],
  flags: readonly string[] = [],
  environment: Environment = {},
  wrapper: readonly string[] = [],
): Promise<Gateway> {
  const ports = ['--port', '0', '--admin-port', '0']
  const namesStore = flags.includes('--store') || environment.RETRYSAFE_STORE !== undefined
  const memory = storeKind === 'memory' ? ['--store', 'memory:'] : undefined
  const store = namesStore ? [] : (memory ?? (await makeStore()))
  const upstreams = [upstream].flat().flatMap(one => ['--upstream', one])
  const args = ['serve', ...upstreams, ...ports, ...store, ...flags]
  const program = await startProgram(args, environment, wrapper)
  const { url = '', admin = '' } = program.ready
  return { ...program, url, admin }
}

async function joinPair(pair: readonly [Gateway, Gateway]): Promise<Gateway> {
  const [url, admin] = await Promise.all(
    (['url', 'admin'] as const).map(listener => startTcpProxy(takeTurns(pair.map(gateway => gateway[listener])))),
  )
  const both = <Answer>(act: (gateway: Gateway) => Promise<Answer>): Promise<Answer[]> => Promise.all(pair.map(act))
  const end = async (how: 'kill' | 'stop'): Promise<void> => {
    await both(gateway => gateway[how]())
    for (const proxy of [url, admin]) proxy?.stop()
  }
  return {
    url: `http://127.0.0.1:${url?.port}`,
    admin: `http://127.0.0.1:${admin?.port}`,
    ready: pair[0].ready,
    get pid(): number {
      throw new Error('a pair has two: use startOneGateway')
    },
    exited: both(gateway => gateway.exited).then(([one, other]) =>
      one?.code === 0 && other !== undefined ? other : (one ?? { code: null, signal: null }),
    ),
    stderr: () => pair.map(gateway => gateway.stderr()).join(''),
    terminate: () => pair.forEach(gateway => void gateway.terminate()),
    pause: () => pair.forEach(gateway => void gateway.pause()),
    resume: () => pair.forEach(gateway => void gateway.resume()),
    kill: () => end('kill'),
    stop: () => end('stop'),
  }
}

/** A place that is the next one of these whenever it is looked up. */
function takeTurns(urls: readonly string[]): Place {
  let turn = 0
  return {
    host: '127.0.0.1',
    get port(): number {
      return Number(new URL(urls[turn++ % urls.length] ?? '').port)
    },
  }
}

/** The server that all shared stores of this file are on. */
async function providePlace(): Promise<string> {
  switch (storeKind) {
    case 'postgres':
      return provideDatabase()
    case 'redis':
      return provideRedis()
    case 'redis-cluster':
      return `${(await startRedisCluster()).url}?prefix=test`
    case 'lmdb':
    case 'memory':
      return ''
  }
}

async function makeSharedStore(): Promise<string> {
  stores += 1
  // What `URL` cannot read: a cluster's has several hosts.
  if (storeKind !== 'postgres') return place.replace(/prefix=[^&]+/, `$&:${stores}`)
  const url = new URL(place)
  url.searchParams.set('schema', `store_${stores}`)
  await migrate({ url: url.href })
  return url.href
}

function readKind(text: string): (typeof kinds)[number] {
  const kind = kinds.find(one => one === text)
  if (kind === undefined) throw new Error(`RETRYSAFE_TEST_STORE takes ${kinds.join(', ')}, not ${text}`)
  return kind
}
