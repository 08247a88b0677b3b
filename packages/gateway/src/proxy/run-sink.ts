import { isDecodable } from 'retrysafe/internal/server/content-decoder'
import type { Run, Source } from 'retrysafe/internal/server/run'
import { decodedHead, type UpstreamHead } from './answer-head.ts'
import { AnswerIntake, type AnswerSink } from './answer-intake.ts'
import { problemOfFailure } from './refusal.ts'
import type { Upstream, UpstreamFailure } from './upstream.ts'

/** Takes an upstream's answer to the run that asked for it. */
export class RunSink implements AnswerSink {
  readonly intake: AnswerIntake = new AnswerIntake(this)
  readonly #run: Run
  readonly #upstream: Upstream

  /** @param source where the answer comes from, if somebody else takes it in */
  constructor(run: Run, upstream: Upstream, source?: Source) {
    this.#run = run
    this.#upstream = upstream
    run.reads(source ?? this.intake)
  }

  head(head: UpstreamHead): 'decode' | 'as it is' {
    const { contentEncoding } = head
    if (contentEncoding !== undefined && !isDecodable(contentEncoding)) this.#upstream.noteCoding(contentEncoding)
    const isEncoded = contentEncoding !== undefined
    const recordable = isJudgeable(head) ? (isEncoded ? decodedHead(head) : head) : undefined
    const becomes = this.#run.head(head, recordable)
    return becomes === 'recording' && isEncoded ? 'decode' : 'as it is'
  }

  data(bytes: Buffer): boolean {
    return this.#run.data(bytes)
  }

  end(failure: UpstreamFailure | undefined): void {
    if (failure === undefined) return this.#run.end(undefined)
    this.#run.end({
      end: failure.kind === 'unreachable' ? 'free' : 'broken',
      problem: onCrash => problemOfFailure(failure, onCrash),
    })
  }
}

/** Whether somebody here can tell that its body is whole: not if it ends with its connection, or in an unknown coding. */
function isJudgeable({ endsByClose, contentEncoding }: UpstreamHead): boolean {
  return !endsByClose && (contentEncoding === undefined || isDecodable(contentEncoding))
}
