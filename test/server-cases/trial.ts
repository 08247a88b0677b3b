import type { RetrysafeOptions } from '../../packages/retrysafe/src/retrysafe.ts'
import type { Answer } from '../support/exchange.ts'
import type { AdapterName, BuildServer, Options, Setting } from './adapters/adapter.ts'
import type { Play } from './script.ts'
import { type Keeping, openStand, type Stand } from './stand.ts'

/** More about a stand than the middleware's options. */
export interface Extras {
  readonly safe?: Partial<RetrysafeOptions>
  readonly parsedBefore?: boolean
  readonly outerHeader?: Setting['outerHeader']
}

/** One case on one adapter. */
export interface Trial {
  readonly adapter: AdapterName
  readonly keeping: Keeping
  /** No other trial has it. */
  readonly key: string
  /** A server with our middleware before the handler. */
  open(play: Play, options?: Options, extras?: Extras): Promise<Stand>
  /** The same without us: the control. */
  bare(play: Play, extras?: Extras): Promise<Stand>
}

/** The same without us, or without the option. */
export type Control = (trial: Trial) => Promise<void>

/** A row of the table. */
export interface Case {
  readonly name: string
  /** Also run on the stores that are only tried. */
  readonly smoke?: true
  run(trial: Trial): Promise<void>
  /** Shows the harm of the same requests without us; or why there is none to show here. */
  readonly control: Control | string
  /** Adapters for which it means nothing, and why. */
  readonly skip?: Readonly<Partial<Record<AdapterName, string>>>
}

let trials = 0

export function makeTrial(
  adapter: AdapterName,
  build: BuildServer,
  keeping: Keeping,
  onFinished: (end: () => Promise<unknown>) => void,
): Trial {
  trials += 1
  const key = `trial-${process.pid}-${trials}`
  const openWith = (isGuarded: boolean, play: Play, options: Options, extras: Extras): Promise<Stand> =>
    openStand(build, {
      adapter,
      keeping,
      key,
      play,
      isGuarded,
      options,
      safeOptions: extras.safe ?? {},
      parsedBefore: extras.parsedBefore ?? false,
      outerHeader: extras.outerHeader,
      onFinished,
    })
  return {
    adapter,
    keeping,
    key,
    open: (play, options = {}, extras = {}) => openWith(true, play, options, extras),
    bare: (play, extras = {}) => openWith(false, play, {}, extras),
  }
}

/** What an answer says of itself, for one comparison. */
export function told({ status, headers, text }: Answer): [status: number, outcome: unknown, text: string] {
  return [status, headers['retrysafe-outcome'], text]
}

/** A refusal, and what its code is. */
export function refusal({ status, headers, text }: Answer): [status: number, code: unknown, shouldRetry: unknown] {
  const isProblem = headers['content-type'] === 'application/problem+json'
  return [status, isProblem ? JSON.parse(text).code : text, headers['x-should-retry']]
}
