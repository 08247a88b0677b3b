import { isStream, selectWatcher } from 'retrysafe/internal/providers/select'
import type { Report } from 'retrysafe/internal/providers/usage'
import type { AnswerWatcher } from 'retrysafe/internal/providers/watcher'
import { ContentDecoder, isDecodable } from 'retrysafe/internal/server/content-decoder'
import { isIn, type StatusRange } from 'retrysafe/internal/server/status-range'
import type { UpstreamHead } from '../answer-head.ts'

/** Decoded for its usage, a body may become so much longer; what comes after is not looked at. */
const maxWatchedBytes = 16_777_216

/** Sees an answer go by: whether it would have been recorded, and what it says that it used. */
export class AnswerTap {
  readonly isStream: boolean
  readonly #isSuccess: boolean
  readonly #watcher: AnswerWatcher
  readonly #decoder: ContentDecoder | undefined
  #watchedBytes = 0
  #isReadable: boolean
  #isBroken = false
  #onDecoded: (() => void) | undefined

  constructor(head: UpstreamHead, path: string, recordStatus: readonly StatusRange[]) {
    const kind = { path, mediaType: head.mediaType }
    this.isStream = isStream(kind) && head.contentLength === undefined
    this.#isSuccess = isIn(recordStatus, head.status) && !head.endsByClose
    this.#watcher = selectWatcher(kind)
    const { contentEncoding } = head
    this.#isReadable = this.#isSuccess && (contentEncoding === undefined || isDecodable(contentEncoding))
    if (!this.#isReadable || contentEncoding === undefined) return
    const sink = {
      data: (bytes: Buffer) => {
        this.#watch(bytes)
        return true
      },
      end: (error: Error | undefined) => {
        this.#isBroken = error !== undefined
        this.#onDecoded?.()
      },
    }
    this.#decoder = new ContentDecoder(contentEncoding, sink, () => {})
  }

  write(bytes: Buffer): void {
    if (!this.#isReadable) return
    if (this.#decoder === undefined) this.#watch(bytes)
    else this.#decoder.write(bytes)
  }

  /** Calls `tell` once what has come is decoded. @param isWhole the answer ended as its framing says */
  end(isWhole: boolean, tell: (end: { succeeded: boolean; report: Report | undefined }) => void): void {
    const finish = (): void => {
      const verdict = this.#watcher.end(isWhole)
      const { report } = this.#watcher
      // What nobody here can read would have come readable: recorded calls ask for that.
      const succeeded =
        this.#isSuccess && isWhole && !this.#isBroken && (!this.#isReadable || verdict.kind === 'complete')
      tell({ succeeded, report: this.#isSuccess ? report : undefined })
    }
    if (this.#decoder === undefined || !this.#isReadable) return finish()
    this.#onDecoded = finish
    this.#decoder.end()
  }

  #watch(bytes: Buffer): void {
    this.#watchedBytes += bytes.byteLength
    if (this.#watchedBytes <= maxWatchedBytes) this.#watcher.write(bytes)
    else if (this.#isReadable) this.#giveUp()
  }

  /** Too long: its end says nothing of what was not looked at. */
  #giveUp(): void {
    this.#isReadable = false
    this.#decoder?.destroy()
    this.#onDecoded?.()
  }
}
