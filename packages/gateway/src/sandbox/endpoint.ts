import type { Answer } from './answer.ts'
import type { ErrorFormat } from './error-format.ts'
import type { Form } from './form.ts'
import type { NextRun, Usage } from './meter.ts'

/** What an endpoint sees of a request: no credential, no header. */
export interface Call {
  readonly body: Buffer
  /** The `{name}` in the path, decoded; empty where the path has none. */
  readonly name: string
  /** The query's `alt`, by which clients of Google choose the form of a stream. */
  readonly alt: string | undefined
  /** The body as a form; undefined where the endpoint takes none or the body is none. */
  readonly form: Form | undefined
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
  readonly errors: ErrorFormat
  /** Default false. */
  readonly takesForm?: boolean
  work(call: Call, next: NextRun): Work
}
