import type { Follower } from '../engine/follower.ts'
import type { Replay } from '../engine/replay.ts'
import { processSurroundings } from '../engine/surroundings.ts'
import { type Problem, problemAnswer } from '../protocol/problem.ts'
import type { AnswerHead } from './answer-head.ts'
import type { Caller, KeyNotice, Relaying } from './caller.ts'
import type { Failure } from './failure.ts'
import { noticeHeaders } from './notice.ts'

/** So much of an answer that is not recorded is taken in before its client reads. */
const aheadBytes = 65_536
const breakAfterMs = 20

/** Answers with a `Response`, which is there as soon as its head is. */
export class FetchCaller implements Caller {
  readonly response: Promise<Response>
  readonly #onGone: () => void
  #answer: (response: Response) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  #body: ReadableStreamDefaultController<Uint8Array> | undefined

  /** @param onGone called when the client stops reading */
  constructor(onGone: () => void) {
    this.#onGone = onGone
    this.response = new Promise((resolve, reject) => {
      this.#answer = resolve
      this.#reject = reject
    })
  }

  /** The framework gets the error, or the handler's own `Response`. */
  settle(outcome: { response: Response } | { error: unknown }): void {
    if ('response' in outcome) this.#answer(outcome.response)
    else this.#reject(outcome.error)
  }

  problem(problem: Problem, notice: KeyNotice): void {
    const { status, title, headers, body } = problemAnswer(problem)
    this.#answer(respond(body, status, [...headers, ...noticeHeaders(notice)], title))
  }

  failed(failure: Failure, problem: Problem, notice: KeyNotice): void {
    if (problem.code === 'HANDLER_FAILED' && failure.error !== undefined) this.#reject(failure.error)
    else this.problem(problem, notice)
  }

  whole(head: { status: number; headers: readonly string[] }, body: Uint8Array, notice: KeyNotice): void {
    this.#answerWhole(head.status, head.headers, body, notice)
  }

  async replay({ head, body, ageMs }: Replay, notice: KeyNotice): Promise<void> {
    const headers = [...head.headers, 'Age', String(Math.floor(ageMs / 1_000))]
    if (body.kind === 'whole') return this.#answerWhole(head.status, headers, body.bytes, notice)
    return this.live(body.follower, headers, notice)
  }

  async live(follower: Follower, headers: readonly string[], notice: KeyNotice): Promise<void> {
    const { head, lengthBytes } = follower
    const length = lengthBytes === undefined ? [] : lengthHeader(head.status, lengthBytes)
    const stream = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const step = await follower.next().catch(() => ({ kind: 'broken' }) as const)
          switch (step.kind) {
            case 'bytes':
              return controller.enqueue(step.bytes)
            case 'end':
              follower.close()
              return controller.close()
            case 'broken':
              follower.close()
              return breakLater(controller)
          }
        },
        cancel: () => {
          follower.close()
          this.#onGone()
        },
      },
      // Nothing is taken before it is asked for.
      { highWaterMark: 0 },
    )
    this.#answer(respond(stream, head.status, [...headers, ...length, ...noticeHeaders(notice)]))
  }

  relay(head: AnswerHead, notice: KeyNotice, resume: () => void): Relaying {
    let isGone = false
    const source = {
      start: (controller: ReadableStreamDefaultController<Uint8Array>) => {
        this.#body = controller
      },
      pull: () => resume(),
      cancel: () => {
        isGone = true
        this.#onGone()
        resume()
      },
    }
    // The key of a short answer is free though nobody reads that.
    const stream = new ReadableStream<Uint8Array>(source, new ByteLengthQueuingStrategy({ highWaterMark: aheadBytes }))
    const length = head.contentLength === undefined ? [] : ['Content-Length', String(head.contentLength)]
    this.#answer(respond(stream, head.status, [...head.headers, ...length, ...noticeHeaders(notice)]))
    const body = this.#body
    return {
      write(bytes) {
        if (isGone || body === undefined) return true
        body.enqueue(bytes)
        return (body.desiredSize ?? 0) > 0
      },
      end: () => {
        if (!isGone) body?.close()
      },
      cut: () => {
        if (!isGone && body !== undefined) breakLater(body)
      },
    }
  }

  breakOff(): void {
    this.#body?.error(brokenOff())
    this.#reject(brokenOff())
  }

  #answerWhole(status: number, headers: readonly string[], body: Uint8Array, notice: KeyNotice): void {
    const length = lengthHeader(status, body.byteLength)
    this.#answer(respond(body, status, [...headers, ...length, ...noticeHeaders(notice)]))
  }
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304
}

function lengthHeader(status: number, bytes: number): string[] {
  return isBodiless(status) ? [] : ['Content-Length', String(bytes)]
}

/** @hono/node-server (1.19) takes an error in its first reads of a body, within two turns, for the clean end of it. */
function breakLater(body: ReadableStreamDefaultController<Uint8Array>): void {
  processSurroundings.timers.after(breakAfterMs, () => body.error(brokenOff()))
}

/** What a reader of a broken stream gets: it never ends as if it were whole. */
function brokenOff(): Error {
  return new Error('the answer broke off')
}

function respond(
  body: ReadableStream<Uint8Array> | Uint8Array | string | null,
  status: number,
  pairs: readonly string[],
  statusText?: string,
): Response {
  const headers = new Headers()
  for (let at = 0; at + 1 < pairs.length; at += 2) headers.append(pairs[at] ?? '', pairs[at + 1] ?? '')
  return new Response(isBodiless(status) ? null : body, {
    status,
    headers,
    ...(statusText !== undefined && { statusText }),
  })
}
