import { graceOf } from '../grace.ts'
import { serveKeyed } from '../keyed.ts'
import type { ProxyParts } from '../parts.ts'
import type { Offered, PairableCall } from './pairable-call.ts'
import type { Stay } from './stays.ts'

/** Serves a retry with the attempt that it has taken, as if it had come with that one's key. */
export async function serveTaken(parts: ProxyParts, call: PairableCall, offered: Offered): Promise<void> {
  const taken = new TakenCall(parts, call, offered)
  const keyed = await call.keyed(offered.key)
  await serveKeyed(parts, {
    ...keyed,
    left: { kind: 'paired', isHeadOut: false },
    tell: turn => {
      if (turn.kind === 'refused' && turn.code === 'IN_FLIGHT') taken.offerAnew()
    },
  })
}

/** A retry that has taken an attempt: if it goes without the answer, the next one may have it. */
class TakenCall implements Stay {
  readonly abandonedAtMs: number
  readonly #parts: ProxyParts
  readonly #call: PairableCall
  readonly #offered: Offered
  #isLeaving = false

  constructor(parts: ProxyParts, call: PairableCall, offered: Offered) {
    this.#parts = parts
    this.#call = call
    this.#offered = offered
    // It gets its 409 before its time-out.
    this.abandonedAtMs = Number.POSITIVE_INFINITY
    parts.pairing.stays.add(call.place(), this)
    const { response } = call.routed
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

  offerAnew(): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    // Where the store does not take it, the next retry runs anew.
    const offering = this.#call.offer(this.#offered).catch(() => undefined)
    void offering.then(() => this.#remove())
  }

  #closed(): void {
    const { response } = this.#call.routed
    // What goes without a length is a stream: who has its head does not come again for it.
    const hasBegun = response.headersSent && response.chunkedEncoding
    if (hasBegun && !response.writableFinished) this.#stop()
    if (response.writableFinished || hasBegun) {
      if (!this.#isLeaving) this.#remove()
    } else this.offerAnew()
  }

  /** Its user has stopped the stream, and nobody else can have found it: its owner, whichever process that is, hears of it. */
  #stop(): void {
    const { onDisconnect } = this.#call.routed.rules
    if (graceOf(onDisconnect, { kind: 'paired', isHeadOut: true }) !== 0) return
    // Where the store does not answer, the run goes on as one that nobody wants.
    const { storeKey, fence } = this.#offered
    this.#parts.engine.store.cancel(storeKey, fence).catch(() => undefined)
  }

  #remove(): void {
    this.#parts.pairing.stays.remove(this.#call.place(), this)
  }
}
