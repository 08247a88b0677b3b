import {
  type BrotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  type Gunzip,
  type Inflate,
  type InflateRaw,
} from 'node:zlib'
import { codingsOf, MAX_CODINGS } from '../fingerprint/content-coding.ts'

type Zlib = BrotliDecompress | Gunzip | Inflate | InflateRaw

/** By the first byte that comes. */
const openers: ReadonlyMap<string, (first: number) => Zlib> = new Map<string, (first: number) => Zlib>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  // Many senders leave out the frame that RFC 9110 §8.4.1.2 asks for; it begins with method 8 (RFC 1950 §2.2).
  ['deflate', first => ((first & 0x0f) === 8 ? createInflate() : createInflateRaw())],
  ['br', () => createBrotliDecompress()],
])

/** Whether a body with this Content-Encoding can be decoded here. */
export function isDecodable(contentEncoding: string): boolean {
  const codings = codingsOf(contentEncoding)
  return codings.length <= MAX_CODINGS && codings.every(coding => openers.has(coding))
}

/** Who takes decoded bytes. */
export interface DecodedSink {
  /** @returns false when the decoder should wait for `resume` */
  data(bytes: Buffer): boolean
  /** Comes once; with an error, the body is not whole. */
  end(error: Error | undefined): void
}

/** Takes one coding off a body as it comes. An empty body is no broken coding: nothing is opened before the first byte. */
class CodingDecoder {
  readonly #open: (first: number) => Zlib
  readonly #sink: DecodedSink
  readonly #onRoom: () => void
  #zlib: Zlib | undefined
  /** The coding has come to its end; what comes after it is padding (RFC 1952 leaves it open), not the end of the body. */
  #isWhole = false
  #hasEnded = false
  #isOver = false

  constructor(open: (first: number) => Zlib, sink: DecodedSink, onRoom: () => void) {
    this.#open = open
    this.#sink = sink
    this.#onRoom = onRoom
  }

  /** @returns false when the sender should wait until `onRoom` is called */
  write(bytes: Buffer): boolean {
    const first = bytes[0]
    if (first === undefined || this.#isOver || this.#isWhole) return true
    this.#zlib ??= this.#start(first)
    return this.#zlib.write(bytes)
  }

  end(): void {
    this.#hasEnded = true
    if (this.#zlib === undefined || this.#isWhole) this.#finish(undefined)
    else this.#zlib.end()
  }

  resume(): void {
    this.#zlib?.resume()
  }

  /** What came before was not whole. */
  fail(error: Error): void {
    this.#zlib?.destroy()
    this.#finish(error)
  }

  destroy(): void {
    this.#isOver = true
    this.#zlib?.destroy()
  }

  #start(first: number): Zlib {
    const zlib = this.#open(first)
    zlib.on('data', (bytes: Buffer) => {
      if (!this.#isOver && !this.#sink.data(bytes)) zlib.pause()
    })
    zlib.on('drain', this.#onRoom)
    zlib.on('end', () => {
      this.#isWhole = true
      if (this.#hasEnded) this.#finish(undefined)
      // It may still hold what it will never take.
      else this.#onRoom()
    })
    zlib.on('error', error => this.#finish(error))
    return zlib
  }

  #finish(error: Error | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#sink.end(error)
  }
}

/** Takes every coding off a body, the one applied last first. Memory stays flat, however much comes of it. */
export class ContentDecoder {
  /** In the order in which the codings were applied: the body comes in at the end. */
  readonly #stages: CodingDecoder[] = []
  readonly #entry: DecodedSink

  /**
   * @param contentEncoding one for which `isDecodable` holds
   * @param onRoom called when `write`, which has answered false, may go on
   */
  constructor(contentEncoding: string, sink: DecodedSink, onRoom: () => void) {
    let next = sink
    for (const [at, coding] of codingsOf(contentEncoding).entries()) {
      const open = openers.get(coding)
      if (open === undefined) throw new Error(`there is no decoder for ${coding}`)
      const stage = new CodingDecoder(open, next, () => {
        const before = this.#stages[at + 1]
        if (before === undefined) onRoom()
        else before.resume()
      })
      this.#stages.push(stage)
      next = {
        data: bytes => stage.write(bytes),
        end: error => (error === undefined ? stage.end() : stage.fail(error)),
      }
    }
    this.#entry = next
  }

  /** @returns false when the sender should wait until `onRoom` is called */
  write(bytes: Buffer): boolean {
    return this.#entry.data(bytes)
  }

  /** The body ended as its framing says; whether its codings did, the sink is told. */
  end(): void {
    this.#entry.end(undefined)
  }

  /** Goes on after the sink has answered false. */
  resume(): void {
    this.#stages[0]?.resume()
  }

  /** The sink hears nothing more. */
  destroy(): void {
    for (const stage of this.#stages) stage.destroy()
  }
}
