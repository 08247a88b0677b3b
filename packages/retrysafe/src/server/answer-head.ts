/** The head of a run's answer, as far as whoever records it or hands it on must know it. */
export interface AnswerHead {
  /** 200 to 599. */
  readonly status: number
  /** For the caller of this very run, names and values in turn; without framing. */
  readonly headers: readonly string[]
  /** Those of them that every retry gets. */
  readonly replayable: readonly string[]
  /** Without parameters, lower case; empty when none was sent. */
  readonly mediaType: string
  /** Bytes of the body, where the head tells. */
  readonly contentLength: number | undefined
  /** Nothing but the end of the connection says where the body ends, so nobody can tell whether it is whole. */
  readonly endsByClose: boolean
  readonly retryAfter: { retryAfter: string | undefined; retryAfterMs: string | undefined }
}
