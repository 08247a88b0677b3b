import { once } from 'node:events'
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Store } from '../../packages/retrysafe/src/engine/store.ts'
import { createRetrysafe, type RetrysafeOptions } from '../../packages/retrysafe/src/retrysafe.ts'
import { type Answer, ask, open, type Question } from '../support/exchange.ts'
import type { AdapterName, BuildServer, Options, Setting } from './adapters/adapter.ts'
import { openGateway } from './adapters/gateway.ts'
import type { Call, Play } from './script.ts'

/** What a stand keeps its records in: the store of the library's adapters, and the URL of the gateway's. */
export interface Keeping {
  readonly store: Store
  readonly gatewayUrl: string
}

/** What a request of a test says; the rest is `POST /` with a key, a credential and `{"a":1}` as JSON. */
export interface Ask extends Question {
  readonly path?: string
  /** `null`: none. Default: the trial's. */
  readonly key?: string | null
  /** `null`: none. Default `alice`. */
  readonly credential?: string | null
}

/** One real HTTP server of one adapter, with a handler that plays what the test says. */
export interface Stand {
  readonly url: string
  /** Every run of the handler. */
  readonly calls: readonly Call[]
  /** A whole answer. */
  post(ask?: Ask): Promise<Answer>
  /** Up to the head of the answer. */
  begin(ask?: Ask): Promise<IncomingMessage>
  /** Connections of clients that are over; of the gateway, as its upstream's client. */
  closedConnections(): number
}

export interface StandTerms {
  readonly adapter: AdapterName
  readonly keeping: Keeping
  readonly key: string
  readonly play: Play
  readonly isGuarded: boolean
  readonly options: Options
  readonly safeOptions: Partial<RetrysafeOptions>
  readonly parsedBefore: boolean
  readonly outerHeader: Setting['outerHeader']
  readonly onFinished: (end: () => Promise<unknown>) => void
}

/** Opens a stand on a port of its own; it is gone when its test is over. */
export async function openStand(build: BuildServer, terms: StandTerms): Promise<Stand> {
  const { adapter, keeping, play, isGuarded, options, safeOptions, parsedBefore, outerHeader, onFinished } = terms
  const calls: Call[] = []
  const begin: Setting['begin'] = async (body, context) => {
    const call: Call = { count: calls.length + 1, body, context }
    calls.push(call)
    return play(call)
  }
  const setting = { options, begin, parsedBefore, outerHeader }
  if (adapter === 'gateway' && isGuarded) {
    const gateway = await openGateway(setting, keeping.gatewayUrl, safeOptions.maxResultBytes)
    onFinished(() => gateway.close())
    return standAt(gateway.url, terms.key, calls, gateway.closed)
  }
  const safe = isGuarded ? createRetrysafe({ store: borrowed(keeping.store), ...safeOptions }) : undefined
  const built = await build({ ...setting, safe })
  const { url, closed, close } = await listen(built.listener)
  onFinished(async () => {
    await close()
    await built.close?.()
    await safe?.close({ drainMs: 0 })
  })
  return standAt(url, terms.key, calls, closed)
}

/** The store outlives the stands that are on it. */
export function borrowed(store: Store): Store {
  return new Proxy(store, {
    get(target, name, receiver): unknown {
      if (name === 'close') return async () => {}
      const member: unknown = Reflect.get(target, name, receiver)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

/** A server on loopback; and how many of its connections are over. */
export async function listen(
  listener: RequestListener,
): Promise<{ url: string; closed(): number; close(): Promise<void> }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  let closed = 0
  server.on('connection', socket => socket.once('close', () => closed++))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    closed: () => closed,
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

export function standAt(url: string, key: string, calls: readonly Call[], closedConnections: () => number): Stand {
  const questionOf = (asked: Ask): [string, Question] => {
    const { path = '/', key: itsKey = key, credential = 'alice', headers, ...rest } = asked
    const all: OutgoingHttpHeaders = { 'Content-Type': 'application/json', ...headers }
    if (itsKey !== null && all['Idempotency-Key'] === undefined) all['Idempotency-Key'] = itsKey
    if (credential !== null) all['Authorization'] = `Bearer ${credential}`
    return [`${url}${path}`, { body: rest.method === 'GET' ? '' : '{"a":1}', ...rest, headers: all }]
  }
  return {
    url,
    calls,
    post: (asked = {}) => ask(...questionOf(asked)),
    begin: (asked = {}) => open(...questionOf(asked)),
    closedConnections,
  }
}
