import type { ServerResponse } from 'node:http'
import { ResponseCaller } from 'retrysafe/internal/adapters/node/response-caller'
import type { Attempt } from 'retrysafe/internal/engine/attempt'
import type { Follower } from 'retrysafe/internal/engine/follower'
import { isStream } from 'retrysafe/internal/providers/select'
import type { KeyNotice } from 'retrysafe/internal/server/caller'
import { mediaTypeIn } from 'retrysafe/internal/server/request-head'
import { graceOf } from '../grace.ts'
import { sendAsItCame, serveKeyed } from '../keyed.ts'
import type { ProxyParts } from '../parts.ts'
import type { Offered, PairableCall } from './pairable-call.ts'
import type { Stay } from './stays.ts'

/** Serves a retry with the attempt that it has taken, as if it had come with that one's key. */
export async function serveTaken(parts: ProxyParts, call: PairableCall, offered: Offered): Promise<void> {
  const taken = new TakenCall(parts, call, offered)
  const keyed = await call.keyed(offered.key)
  await serveKeyed(parts, {
    ...keyed,
    caller: taken.caller,
    dispatch: (run, attempt) => {
      taken.runs(attempt)
      sendAsItCame(keyed, run)
    },
    left: { kind: 'paired', isHeadOut: false },
    tell: turn => {
      if (turn.kind === 'refused' && turn.code === 'IN_FLIGHT') taken.offerAnew()
    },
  })
}

/** A retry that has taken an attempt: if it goes without the answer, the next one may have it. */
class TakenCall implements Stay {
  readonly abandonedAtMs: number
  readonly caller: TakerCaller
  readonly #parts: ProxyParts
  readonly #call: PairableCall
  readonly #offered: Offered
  #isLeaving = false
  #own: Attempt | undefined

  constructor(parts: ProxyParts, call: PairableCall, offered: Offered) {
    this.#parts = parts
    this.#call = call
    this.#offered = offered
    // It gets its 409 before its time-out.
    this.abandonedAtMs = Number.POSITIVE_INFINITY
    parts.pairing.stays.add(call.place(), this)
    const { response, route } = call.routed
    this.caller = new TakerCaller(response, route.upstream.basePath + route.path)
    // It may have left while it was looked for.
    if (response.destroyed) this.#closed()
    else response.once('close', () => this.#closed())
  }

  get isLeaving(): boolean {
    return this.#isLeaving
  }

  pairKey(): Promise<string> {
    return this.#call.pairKey()
  }

  abandon(): void {
    this.#call.routed.response.destroy()
  }

  /** What it has taken had failed: it runs it itself. */
  runs(attempt: Attempt): void {
    this.#own = attempt
  }

  offerAnew(): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    // Where the store does not take it, the next retry runs anew.
    const done = this.#parts.exchanges.beginWork()
    const offering = this.#call.offer(this.#offered).catch(() => undefined)
    void offering.then(() => {
      this.#remove()
      done()
    })
  }

  #closed(): void {
    const { response } = this.#call.routed
    // Who has the head of a stream does not come again for it.
    const hasBegun = response.headersSent && this.caller.isStreaming
    if (hasBegun && !response.writableFinished) this.#stop()
    if (response.writableFinished || hasBegun) {
      if (!this.#isLeaving) this.#remove()
    } else this.offerAnew()
  }

  /** Its user has stopped the stream, and nobody else can have found it: its owner, whichever process that is, hears of it. */
  #stop(): void {
    const { onDisconnect } = this.#call.routed.rules
    if (graceOf(onDisconnect, { kind: 'paired', isHeadOut: true }) !== 0) return
    if (this.#own !== undefined) return this.#own.desert()
    // Where the store does not answer, the run goes on as one that nobody wants.
    const { storeKey, fence } = this.#offered
    this.#parts.engine.store.cancel(storeKey, fence).catch(() => undefined)
  }

  #remove(): void {
    this.#parts.pairing.stays.remove(this.#call.place(), this)
  }
}

/** Answers a retry as it would any other, and knows whether that is a stream. */
class TakerCaller extends ResponseCaller {
  readonly #path: string
  #isStreaming = false

  constructor(response: ServerResponse, path: string) {
    super(response)
    this.#path = path
  }

  get isStreaming(): boolean {
    return this.#isStreaming
  }

  /** Of what has a length, the client waits for the whole. */
  override live(follower: Follower, headers: readonly string[], notice: KeyNotice): Promise<void> {
    this.#isStreaming =
      follower.lengthBytes === undefined && isStream({ path: this.#path, mediaType: mediaTypeIn(headers) })
    return super.live(follower, headers, notice)
  }
}
