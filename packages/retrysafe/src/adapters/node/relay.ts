import type { AnswerHead } from '../../server/answer-head.ts'
import type { KeyNotice, Relaying } from '../../server/caller.ts'
import { breakOff, flushHead, type Outlet, writeAnswerHead } from './response.ts'

/**
 * Hands an answer that is not recorded to its one caller, at the caller's pace; without a caller, to nobody.
 * Its end is shown by `end` and not before, also where a length tells it: the key is free by then.
 */
export class Relay implements Relaying {
  readonly #response: Outlet
  readonly #resume: () => void
  #head: NodeJS.Immediate | undefined
  #leftBytes: number
  #last: Uint8Array | undefined

  constructor(response: Outlet, head: AnswerHead, notice: KeyNotice | undefined, resume: () => void) {
    this.#response = response
    this.#resume = resume
    this.#leftBytes = head.contentLength ?? Number.POSITIVE_INFINITY
    response.on('drain', resume)
    // The upstream is read to its end for the sake of the record, also when nobody listens any more.
    response.on('close', resume)
    if (this.#isGone) return
    writeAnswerHead(response, head.status, head.headers, framingOf(head), notice)
    this.#head = setImmediate(flushHead, response)
  }

  get #isGone(): boolean {
    return this.#response.destroyed || this.#response.writableEnded
  }

  /** @returns false when the upstream should wait until `resume` is called */
  write(bytes: Uint8Array): boolean {
    this.#leftBytes -= bytes.byteLength
    clearImmediate(this.#head)
    if (this.#leftBytes > 0) return this.#isGone || this.#response.write(bytes)
    this.#last = bytes
    return true
  }

  end(): void {
    this.#detach()
    if (!this.#isGone) this.#response.end(this.#last)
  }

  /** The answer is not whole. */
  cut(): void {
    this.#detach()
    breakOff(this.#response)
  }

  #detach(): void {
    clearImmediate(this.#head)
    this.#response.off('drain', this.#resume)
    this.#response.off('close', this.#resume)
  }
}

function framingOf(head: AnswerHead): Parameters<typeof writeAnswerHead>[3] {
  if (head.contentLength !== undefined) return { kind: 'length', bytes: head.contentLength }
  return head.endsByClose ? { kind: 'close' } : { kind: 'chunked' }
}
