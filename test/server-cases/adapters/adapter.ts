import type { RequestListener } from 'node:http'
import type { Retrysafe } from '../../../packages/retrysafe/src/retrysafe.ts'
import type { IdempotencyOptions } from '../../../packages/retrysafe/src/server/options.ts'
import type { CallContext, Script } from '../script.ts'

export const adapterNames = ['fetch', 'node', 'express 4', 'express 5', 'fastify', 'hono', 'gateway'] as const
export type AdapterName = (typeof adapterNames)[number]

/** Reads one header of a request, lower case. */
export type ReadHeader = (name: string) => string | undefined

/** What a key or tenant function of a test gives; it may throw. */
export type Ask = (read: ReadHeader) => string | undefined | Promise<string | undefined>

/** The middleware's options, neutral of frameworks. */
export interface Options extends Omit<IdempotencyOptions<never>, 'safe' | 'tenant' | 'key' | 'name'> {
  readonly tenant?: 'credential' | 'single' | Ask
  readonly key?: Ask
}

/** How the stand's server is built. */
export interface Setting {
  /** `undefined`: without us. */
  readonly safe: Retrysafe | undefined
  readonly options: Options
  /** Runs the test's play; called once for each run of the handler. */
  readonly begin: (body: string, context: CallContext | undefined) => Promise<Script>
  /** A body parser stands before us. */
  readonly parsedBefore: boolean
  /** Something before us sets this header, anew for each response. */
  readonly outerHeader: (() => readonly [name: string, value: string]) | undefined
}

/** The server of a stand: a listener of node:http. */
export interface Built {
  readonly listener: RequestListener
  close?(): unknown
}

export type BuildServer = (setting: Setting) => Built | Promise<Built>

/** The options as one framework's middleware takes them: functions read the framework's own request. */
export function optionsFor<Request>(
  { safe, options }: Setting,
  headerOf: (request: Request) => ReadHeader,
): FrameworkOptions<Request> {
  if (safe === undefined) throw new Error('a stand without us has no options')
  const { tenant = 'credential', key, ...rest } = options
  return {
    safe,
    ...rest,
    tenant: typeof tenant === 'string' ? tenant : request => tenant(headerOf(request)),
    ...(key !== undefined && { key: (request: Request) => key(headerOf(request)) }),
  }
}

type FrameworkOptions<Request> = Omit<Options, 'tenant' | 'key'> & {
  readonly safe: Retrysafe
  readonly tenant: 'credential' | 'single' | ((request: Request) => string | undefined | Promise<string | undefined>)
  readonly key?: (request: Request) => string | undefined | Promise<string | undefined>
}
