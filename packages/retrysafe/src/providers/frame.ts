/** One frame of an answer: an SSE event, a line, an item of an array, or the whole of a plain body. */
export interface Frame {
  /** Its `event:` line names it `error`. */
  readonly isNamedError: boolean
  /** Its data begin with `[DONE]`. */
  readonly isDone: boolean
  /** What its JSON says, as far as the API's shape asks for it; `undefined` when it is no JSON. */
  readonly value: unknown
  /** Where it begins, in bytes from the start of the body. */
  readonly atBytes: number
  /** Where its last byte that counts ends. */
  readonly endBytes: number
  /** It is no proper frame but bare JSON in its place: nothing but an error is believed of it. */
  readonly isBare: boolean
}

/** Finds the frames in the bytes of one answer, split anywhere. */
export interface Framing {
  /** @param start offset of the first byte that counts: a byte order mark does not */
  write(bytes: Uint8Array, start: number): void
  /** The body ended as it should; a last frame may end with it. */
  end(): void
  /** Where the frame begins that has begun and not ended. */
  readonly unfinishedAtBytes: number | undefined
  /** What the bytes lack to be whole, as a reason; `undefined` when they are. Final after `end`. */
  readonly missing: string | undefined
}

/** A frame of a framing that knows nothing but JSON. */
export function jsonFrame(value: unknown, atBytes: number, endBytes: number): Frame {
  return { isNamedError: false, isDone: false, value, atBytes, endBytes, isBare: false }
}
