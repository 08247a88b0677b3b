import type { Surroundings, Timer } from './clock.ts'
import { RetrysafeError } from './errors.ts'
import type { OwnCanonical } from './own-canonical.ts'
import { persist } from './persist.ts'
import type { StoreKey, Token } from './record.ts'
import type { AppendAnswer, CompleteAnswer, Store } from './store.ts'

/** Appended behind the bytes that were already delivered: at this much, or after this long. */
const appendBytes = 16_384
const appendMs = 250
/** While another process follows; and the first time, so that whoever joins there finds the head, and is seen. */
const promptAppendMs = 10
/** After a store that did not answer. */
const retryAppendMs = 1_000

export interface LogWriterTerms {
  readonly store: Store
  readonly key: StoreKey
  readonly token: Token
  readonly surroundings: Surroundings
  readonly canonical: OwnCanonical
  /** Fires when the process is going away. */
  readonly closing: AbortSignal
}

/** Where the log's bytes come from, and who hears how it goes. */
export interface LogSource {
  /** Length of the log as far as readers may see it: what is held back is not appended either. */
  visibleBytes(): number
  /** Where what is still here of the log begins. */
  heldFromBytes(): number
  /** From `offsetBytes` up to `endBytes`, or all there is, in one piece of its own. */
  copy(offsetBytes: number, endBytes?: number): Uint8Array
  stored(logBytes: number): void
  /** The store holds less than it acknowledged. */
  forgotten(): void
  lost(): void
}

/** Writes a growing log to the store, behind its delivery: one append at a time, each idempotent. */
export class LogWriter {
  readonly #terms: LogWriterTerms
  readonly #source: LogSource
  #storedBytes = 0
  #followed = false
  #failing = false
  #stopped = false
  #timer: Timer | undefined
  #appending: Promise<void> | undefined

  constructor(terms: LogWriterTerms, source: LogSource) {
    this.#terms = terms
    this.#source = source
  }

  /** Another process reads along: append more often from now on. */
  followedElsewhere(): void {
    this.#followed = true
  }

  /** There are new bytes. */
  grown(): void {
    if (this.#stopped || this.#appending !== undefined) return
    const waitingBytes = this.#source.visibleBytes() - this.#storedBytes
    if (waitingBytes >= appendBytes && !this.#failing) return this.#appendNow()
    if (waitingBytes <= 0 || this.#timer !== undefined) return
    const isPrompt = this.#followed || (this.#storedBytes === 0 && this.#terms.store.traits.crossProcess)
    const delayMs = this.#failing ? retryAppendMs : isPrompt ? promptAppendMs : appendMs
    this.#timer = this.#terms.surroundings.timers.after(delayMs, () => this.#appendNow())
  }

  /** No more appends; the log may still be sealed. */
  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  /**
   * Seals the log, as often as it takes.
   *
   * @param whole false: nothing of the log is kept but `head`, which says so
   * @returns what the store said, or `undefined` when the process is going away
   */
  async seal(whole: boolean, head: () => Uint8Array): Promise<CompleteAnswer | undefined> {
    this.stop()
    await this.#appending
    const offsetBytes = whole ? this.#storedBytes : 0
    const answer = await this.#complete(offsetBytes, whole ? this.#source.copy(offsetBytes) : head())
    if (answer !== 'gap') return answer
    // A store that has forgotten what it had gets all of it, if all of it is still here; or the head, which says so.
    const isHere = offsetBytes > 0 && this.#source.heldFromBytes() === 0
    const again = isHere ? await this.#complete(0, this.#source.copy(0)) : answer
    return again === 'gap' ? this.#complete(0, head()) : again
  }

  async #complete(offsetBytes: number, bytes: Uint8Array): Promise<CompleteAnswer | undefined> {
    const { store, key, token, surroundings, closing, canonical } = this.#terms
    const making = canonical.whenMade()
    if (making !== undefined) await making
    const piece = { offsetBytes, bytes, ...canonical.says() }
    const write = (): Promise<CompleteAnswer> => store.complete(key, token, piece).catch(refusedAsGap)
    return persist(write, surroundings, closing)
  }

  #appendNow(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#stopped || this.#appending !== undefined) return
    this.#appending = this.#append().finally(() => {
      this.#appending = undefined
      this.grown()
    })
  }

  async #append(): Promise<void> {
    const { store, key, token, canonical } = this.#terms
    const bytes = this.#source.copy(this.#storedBytes, this.#source.visibleBytes())
    try {
      const says = canonical.says()
      const answer = await store.append(key, token, { offsetBytes: this.#storedBytes, bytes, ...says })
      this.#failing = false
      if (answer.kind === 'ok' && says.canonical !== undefined) canonical.stored()
      this.#appended(answer, this.#storedBytes + bytes.byteLength)
    } catch (error) {
      // Nothing is lost: the bytes are still here, and the next append or the seal sends them again.
      this.#failing = true
      if (isRefused(error)) this.#giveUp()
    }
  }

  #appended(answer: AppendAnswer, endBytes: number): void {
    switch (answer.kind) {
      case 'ok':
        this.#followed = answer.followed
        return this.#advance(endBytes)
      case 'dup':
        return this.#advance(endBytes)
      case 'gap':
        // An append whose answer was lost did land: only this token writes, so what is there is ours.
        if (answer.lengthBytes > this.#storedBytes) return this.#advance(answer.lengthBytes)
        // It has forgotten bytes. Those that are still here go there again, from where it wants them.
        if (answer.lengthBytes < this.#storedBytes && answer.lengthBytes >= this.#source.heldFromBytes()) {
          this.#storedBytes = answer.lengthBytes
          return
        }
        return this.#giveUp()
      case 'lost':
        this.stop()
        return this.#source.lost()
    }
  }

  /** The store does not have, or will not take, what the log builds on. */
  #giveUp(): void {
    this.stop()
    this.#source.forgotten()
  }

  #advance(logBytes: number): void {
    this.#storedBytes = logBytes
    this.#source.stored(logBytes)
  }
}

/** The store can never take these bytes: to it they are as good as missing. */
function isRefused(error: unknown): boolean {
  return error instanceof RetrysafeError && error.code === 'REQUEST_INVALID'
}

function refusedAsGap(error: unknown): 'gap' {
  if (isRefused(error)) return 'gap'
  throw error
}
