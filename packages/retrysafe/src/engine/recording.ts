import { Audience } from './audience.ts'
import type { Timer } from './clock.ts'
import { type LogSource, LogWriter, type LogWriterTerms } from './log-writer.ts'
import { encodeHead, type KeptHead } from './outcome.ts'
import type { CompleteAnswer } from './store.ts'
import { Tail } from './tail.ts'

/** Kept in memory behind the store's end, so that a reader who is a little late need not ask the store. */
const windowBytes = 16_384
/** The last bytes wait for the store's word, but not for ever: the caller gets its answer. */
export const sealWaitMs = 1_000
/** An answer too large to keep is throttled when so many bytes wait for its only reader. */
const crowdedBytes = 1_048_576

export interface RecordingTerms extends LogWriterTerms {
  /** Bytes of the body; beyond, the answer goes to its caller and is not kept. */
  readonly maxResultBytes: number
}

/**
 * What whoever waits for the head learns. `lost`: another attempt has taken over; `deserted`: it was stopped before they
 * came.
 */
export type OpenAnswer =
  | { kind: 'head'; head: KeptHead }
  | { kind: 'ended'; cooldownMs: number }
  | { kind: 'lost' }
  | { kind: 'deserted' }

/**
 * Records one answer while it is delivered: a tail for the readers in this process, written behind to the store for
 * all others, sealed at the end. The upstream's pump writes; no reader ever throttles it, but for an answer that is too
 * large to keep.
 */
export class Recording implements LogSource {
  readonly tail: Tail = new Tail()
  readonly audience: Audience = new Audience()
  readonly lost: () => void
  readonly #terms: RecordingTerms
  readonly #writer: LogWriter
  #head: KeptHead | undefined
  #headBytes: Uint8Array = new Uint8Array(0)
  #kept = true
  #opened: OpenAnswer | undefined
  #isShut = false
  #waiting: ((answer: OpenAnswer) => void)[] = []
  /** How far the first caller's reader has got; undefined when it is gone. */
  #primaryBytes: number | undefined = 0
  #roomMade: (() => void) | undefined
  #tellLost: () => void = () => {}

  /** @param lost called when the store says that the record is somebody else's */
  constructor(terms: RecordingTerms, lost: () => void) {
    this.#terms = terms
    this.lost = lost
    this.#writer = new LogWriter(terms, this)
  }

  visibleBytes(): number {
    return this.bodyOffsetBytes + this.tail.visibleBytes
  }

  stored(logBytes: number): void {
    this.tail.drop(logBytes - this.bodyOffsetBytes - windowBytes)
  }

  forgotten(): void {
    this.#keepNoMore()
  }

  heldFromBytes(): number {
    const { startBytes } = this.tail
    return startBytes === 0 ? 0 : this.bodyOffsetBytes + startBytes
  }

  copy(offsetBytes: number, endBytes: number = Number.POSITIVE_INFINITY): Uint8Array {
    const { bodyOffsetBytes } = this
    const from = offsetBytes - bodyOffsetBytes
    const to = endBytes - bodyOffsetBytes
    return from >= 0 ? this.tail.copy(from, to) : this.tail.copy(0, to, this.#headBytes.subarray(offsetBytes))
  }

  get terms(): RecordingTerms {
    return this.#terms
  }

  get writer(): LogWriter {
    return this.#writer
  }

  /** Where the body begins in the log. */
  get bodyOffsetBytes(): number {
    return this.#headBytes.byteLength
  }

  /** Whoever comes later can have it. False: it is too large, or the store has forgotten its beginning. */
  get isKept(): boolean {
    return this.#kept
  }

  /** The answer has a head. Until `goLive`, readers get nothing before it is sealed; then all of it. */
  open(head: KeptHead): void {
    this.#head = head
    this.#headBytes = encodeHead(head)
    this.tail.hold(0)
  }

  /** Readers get head and bytes at once from now on. */
  goLive(): void {
    this.tail.hold(Number.POSITIVE_INFINITY)
    this.#tellOpened()
    this.#writer.grown()
  }

  /** Its run is being stopped: who comes from now on waits for how it ends, and is given nothing that will break off. */
  shut(): void {
    this.#isShut = true
    this.#opened = undefined
  }

  /** Bytes from here on wait until the answer is sealed: the terminal frame tells a client that all is well. */
  hold(fromBytes: number): void {
    this.tail.hold(fromBytes)
  }

  /** @returns false when the writer should wait for `whenRoom`: only for an answer too large to keep */
  write(bytes: Uint8Array): boolean {
    this.tail.write(bytes)
    if (this.#kept && this.tail.lengthBytes > this.#terms.maxResultBytes) this.#keepNoMore()
    if (!this.#kept) this.#trimToPrimary()
    else if (this.#opened?.kind === 'head') this.#writer.grown()
    return !this.#isCrowded()
  }

  whenRoom(run: () => void): void {
    this.#roomMade = run
  }

  /** The first caller's reader has got so far; `undefined`: it has left. */
  primaryAt(offsetBytes: number | undefined): void {
    this.#primaryBytes = offsetBytes
    if (this.#kept) return
    this.#trimToPrimary()
    if (this.#isCrowded()) return
    const roomMade = this.#roomMade
    this.#roomMade = undefined
    roomMade?.()
  }

  /** Resolves with the head as soon as readers may have it, or with the end of a run that gave no outcome. */
  whenOpen(): Promise<OpenAnswer> {
    if (this.#opened !== undefined) return Promise.resolve(this.#opened)
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  /**
   * Seals the answer as the outcome. `early` answers when readers may see its end: once the store has acknowledged it,
   * or after a second. `stored` answers with the store's word, however long that takes.
   */
  seal(): { early: Promise<'sealed' | 'lost'>; stored: Promise<CompleteAnswer | undefined> } {
    const stored = this.#writer.seal(this.#kept, () => encodeHead({ kind: 'not kept' }))
    const early = new Promise<'sealed' | 'lost'>(resolve => {
      const show = (): void => {
        this.tail.end('sealed')
        this.#tellOpened()
        resolve('sealed')
      }
      const { timers, clock } = this.#terms.surroundings
      let timer: Timer
      const wait = (): void => {
        const fromMs = clock.monotonicMs()
        // A process that stood still has given the store no time, but others the time to take over.
        timer = timers.after(sealWaitMs, () => (clock.monotonicMs() - fromMs <= 2 * sealWaitMs ? show() : wait()))
      }
      wait()
      this.#tellLost = () => {
        timer.cancel()
        resolve('lost')
      }
      void stored.then(answer => {
        timer.cancel()
        if (answer === 'lost') resolve('lost')
        else show()
      })
    })
    return { early, stored }
  }

  /**
   * The run gave no outcome: readers of a begun stream are cut off, unless it was a `whole` answer that says itself that
   * it failed; then they get its end.
   */
  endReaders(whole = false): void {
    this.#writer.stop()
    this.tail.end(whole ? 'sealed' : 'broken')
  }

  /** The same, and those who wait for a head are told. */
  end(answer: Exclude<OpenAnswer, { kind: 'head' }>, whole = false): void {
    this.endReaders(whole)
    this.#tell(answer)
    if (answer.kind === 'lost') this.#tellLost()
  }

  #tellOpened(): void {
    const head = this.#head
    if (head === undefined || (this.#isShut && this.tail.state !== 'sealed')) return
    this.#tell({ kind: 'head', head })
  }

  #tell(answer: OpenAnswer): void {
    this.#opened = answer
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(answer)
  }

  #keepNoMore(): void {
    this.#kept = false
    this.#writer.stop()
    this.#trimToPrimary()
  }

  #trimToPrimary(): void {
    this.tail.drop(this.#primaryBytes ?? this.tail.lengthBytes)
  }

  #isCrowded(): boolean {
    return !this.#kept && this.#primaryBytes !== undefined && this.tail.lengthBytes - this.#primaryBytes >= crowdedBytes
  }
}
