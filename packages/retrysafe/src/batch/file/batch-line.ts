import type { Usage } from '../../providers/usage.ts'

/** One item of a file in OpenAI's batch format. */
export interface BatchLine {
  /** From 1; blank lines count. */
  readonly lineNumber: number
  readonly customId: string
  readonly method: string
  /** Path and query, from its first `/`. */
  readonly url: string
  /** The JSON as it stands in the file. */
  readonly body: Uint8Array
  /** The body's `model`; `undefined` where it names none. */
  readonly model: string | undefined
  /** SHA-256 of method, url and the body's value, 64 hexadecimal characters: however it is spelled. */
  readonly fingerprint: string
  /** Of the whole line. */
  readonly sizeBytes: number
}

/** A success: what is recorded of an item, and replayed. */
export interface BatchAnswer {
  readonly status: number
  /** As the provider names its answer. */
  readonly requestId: string | undefined
  /** JSON text as it came. */
  readonly body: string
  /** The model that answered. */
  readonly model?: string
  readonly usage?: Usage
  /** It came out of a gateway's record, and was not paid for now. */
  readonly replayed: boolean
}

/** What a sender throws for an answer that came whole and is no success. It is not recorded. */
export class BatchRefusal extends Error {
  override readonly name = 'BatchRefusal'
  readonly status: number
  /** By their lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly requestId: string | undefined
  readonly body: string

  constructor(answer: Pick<BatchRefusal, 'status' | 'headers' | 'requestId' | 'body'>) {
    const isInside = answer.status >= 200 && answer.status <= 299
    super(isInside ? `the answer was ${answer.status}, with an error in it` : `the answer was ${answer.status}`)
    this.status = answer.status
    this.headers = answer.headers
    this.requestId = answer.requestId
    this.body = answer.body
  }
}
