import type { Answer } from './answer.ts'
import type { NextRun, Usage } from './meter.ts'

/** What an endpoint sees of a request: no credential, no header but the ones that are named here. */
export interface Call {
  readonly body: Buffer
  /** The `{name}` in the path, decoded; empty where the path has none. */
  readonly name: string
}

/** What an endpoint makes of a call. Only `ran` costs: the meter counts it before the answer goes out. */
export type Work =
  | { readonly kind: 'ran'; readonly usage: Usage; readonly effect?: string; readonly answer: Answer }
  | { readonly kind: 'rejected'; readonly answer: Answer }

/** One POST endpoint. `work` is a pure function but for the wall clock. */
export interface Endpoint {
  /** As a reader writes it: `POST /effects/{name}`. */
  readonly title: string
  readonly about: string
  /** A first group, where there is one, is the percent-encoded name. */
  readonly path: RegExp
  work(call: Call, next: NextRun): Work
}
