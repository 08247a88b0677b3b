/** What an answer turned out to be, at its end. */
export type Verdict =
  | { kind: 'complete' }
  /** The terminal event is missing, or the body is no whole document. */
  | { kind: 'incomplete'; reason: string }
  /** A whole answer that says that it failed. */
  | { kind: 'error'; reason: string }

/**
 * Watches the bytes of one answer go by, split anywhere, and never changes them.
 * Says at the end whether the answer was a success, and while it runs where its terminal frame begins.
 */
export interface AnswerWatcher {
  write(bytes: Uint8Array): void
  /**
   * Where the terminal frame begins, in bytes from the start of the body: from there on a client believes that all is
   * well. `undefined` until it has been seen.
   */
  readonly terminalAtBytes: number | undefined
  /** From here on bytes wait: the terminal frame, or what may yet turn out to be its beginning. */
  readonly heldFromBytes: number | undefined
  /** @param clean the body ended as its framing says (length reached, last chunk seen), it was not cut */
  end(clean: boolean): Verdict
}

/** The head of an answer, as far as a watcher is chosen by it. */
export interface AnswerHead {
  /** Path of the request, without query. */
  readonly path: string
  /** Media type of the answer without parameters, lower case; empty when none was sent. */
  readonly mediaType: string
}
