import type { Report } from './usage.ts'

/** What an answer turned out to be, at its end. */
export type Verdict =
  | { kind: 'complete' }
  /** The terminal event is missing, or the body is no whole document. */
  | { kind: 'incomplete'; reason: string }
  /** An answer that says itself that it failed. */
  | { kind: 'error'; reason: string }

/**
 * Watches the bytes of one answer go by, split anywhere, and never changes them. Says at the end whether the answer was
 * a success, and while it runs where its terminal frame begins. It takes time linear in the bytes and bounded memory
 * (about 1 MiB), and never throws.
 */
export interface AnswerWatcher {
  write(bytes: Uint8Array): void
  /**
   * Where the terminal frame begins, in bytes from the start of the body: from there on a client believes that all is
   * well. `undefined` until it has been seen, and of an answer that nothing but its clean end ends.
   */
  readonly terminalAtBytes: number | undefined
  /** Its terminal frame or an error has been seen: what may still follow changes nothing. */
  readonly isOver: boolean
  /**
   * From here on bytes wait: the terminal frame, an error (the retry that it sets off is to find the key free), or what
   * may yet turn out to be one of them. Never before what it once let go.
   * At most 512 KiB are held back before the terminal frame has ended; of a longer one its last 512 KiB.
   */
  readonly heldFromBytes: number | undefined
  /** What the answer has said of its run so far; final after `end`. */
  readonly report: Report
  /**
   * To be called once, after the last byte.
   * @param clean the body ended as its framing says (length reached, last chunk seen), it was not cut
   */
  end(clean: boolean): Verdict
}

/** The head of an answer, as far as a watcher is chosen by it. */
export interface AnswerHead {
  /** Path of the request, without query. */
  readonly path: string
  /** Media type of the answer without parameters, lower case; empty when none was sent. */
  readonly mediaType: string
}
