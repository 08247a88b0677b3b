import { ContentDecoder } from 'retrysafe/internal/server/content-decoder'
import type { Run } from 'retrysafe/internal/server/run'
import type { UpstreamHead } from '../answer-head.ts'
import type { AnswerIntake } from '../answer-intake.ts'
import { RunSink } from '../run-sink.ts'
import { failureOf, type Upstream, type UpstreamFailure } from '../upstream.ts'

/**
 * Takes the rest of an answer, whose beginning may have gone to its client as it came, to the run that records it:
 * decoded, where the client had asked for a coding.
 */
export class HandedAnswer {
  readonly #sink: RunSink
  readonly #intake: AnswerIntake
  #decoder: ContentDecoder | undefined
  #hasEnded = false

  constructor(run: Run, upstream: Upstream, intake: AnswerIntake) {
    this.#intake = intake
    this.#sink = new RunSink(run, upstream, { resume: () => this.#resume(), stop: () => this.#stop() })
  }

  head(head: UpstreamHead): void {
    const { contentEncoding } = head
    if (this.#sink.head(head) === 'as it is' || contentEncoding === undefined) return
    const sink = {
      data: (bytes: Buffer) => this.#sink.data(bytes),
      end: (error: Error | undefined) => {
        this.#sink.end(error === undefined ? undefined : failureOf(error, true))
        if (error !== undefined) this.#stop()
      },
    }
    this.#decoder = new ContentDecoder(contentEncoding, sink, () => this.#intake.resume())
  }

  data(bytes: Buffer): boolean {
    return this.#decoder === undefined ? this.#sink.data(bytes) : this.#decoder.write(bytes)
  }

  end(failure: UpstreamFailure | undefined): void {
    this.#hasEnded = true
    if (this.#decoder === undefined) return this.#sink.end(failure)
    if (failure === undefined) return this.#decoder.end()
    this.#decoder.destroy()
    this.#sink.end(failure)
  }

  #resume(): void {
    if (this.#decoder === undefined) this.#intake.resume()
    else this.#decoder.resume()
  }

  /** The run is told of it as of a cut. */
  #stop(): void {
    if (!this.#hasEnded) return this.#intake.stop()
    // All of it has come, and is still being decoded.
    this.#decoder?.destroy()
    this.#sink.end({ kind: 'cut', reason: 'the call was stopped' })
  }
}
