import type { Frame, Framing } from './frame.ts'
import { type JsonShape, members, plain } from './json-shape.ts'
import { itemsOf, memberOf } from './json-value.ts'
import type { Report } from './usage.ts'
import type { AnswerWatcher, Verdict } from './watcher.ts'

/** Most bytes that are held back before the end is there: less than a recording lets wait for its reader. */
const maxHeldBytes = 524_288

/**
 * What one frame means for its answer. `last`: as far as anybody can tell; only a clean end says that it was.
 * `terminal`: whatever follows, the answer is whole. `failed`: the answer says that it failed.
 */
export type Meaning = 'part' | 'last' | 'terminal' | 'failed'

/** Reads the frames of one answer in turn. */
export interface Judge {
  read(frame: Frame): Meaning
  /** What a clean end would lack now, as a reason; `undefined`: nothing. */
  readonly missing: string | undefined
  readonly report: Report
}

/** One form of the answers of one API. */
export interface AnswerForm {
  readonly shape: JsonShape
  judge(): Judge
}

/** The shape of a frame: these members, and those by which all APIs tell an error. Gemini puts some into an array. */
export function frameShape(shapes: Readonly<Record<string, JsonShape>>): JsonShape {
  const shape = members({ error: plain, type: plain, ...shapes })
  return { ...shape, items: shape }
}

/** Watches the frames that a framing finds, and judges the answer by them. */
export function watchFrames(
  form: AnswerForm,
  Framing: new (shape: JsonShape, onFrame: (frame: Frame) => void) => Framing,
): AnswerWatcher {
  const judge = form.judge()
  const skipMark = markSkipper()
  let lengthBytes = 0
  let failedAtBytes: number | undefined
  let lastAtBytes: number | undefined
  let terminal: Frame | undefined
  const framing = new Framing(form.shape, frame => {
    if (saysError(frame)) failedAtBytes ??= frame.atBytes
    else if (!frame.isBare) take(frame, judge.read(frame))
  })

  function take(frame: Frame, meaning: Meaning): void {
    if (meaning === 'failed') failedAtBytes ??= frame.atBytes
    if (failedAtBytes !== undefined) return
    if (meaning === 'terminal') terminal ??= frame
    else if (meaning === 'last') lastAtBytes = frame.atBytes
    else if (judge.missing !== undefined) lastAtBytes = undefined
  }

  return {
    write(bytes) {
      lengthBytes += bytes.length
      framing.write(bytes, skipMark(bytes))
    },
    get terminalAtBytes() {
      return terminal?.atBytes
    },
    get isOver() {
      return terminal !== undefined || failedAtBytes !== undefined
    },
    get heldFromBytes() {
      if (terminal !== undefined) return Math.max(terminal.atBytes, terminal.endBytes - maxHeldBytes)
      const fromBytes = failedAtBytes ?? lastAtBytes ?? framing.unfinishedAtBytes
      return fromBytes === undefined ? undefined : Math.max(fromBytes, lengthBytes - maxHeldBytes)
    },
    get report() {
      return judge.report
    },
    end(clean): Verdict {
      // Cut in the middle of the last frame it may look whole and not be: only a clean end vouches for it.
      if (clean) framing.end()
      if (failedAtBytes !== undefined) return { kind: 'error', reason: 'an error inside a success status' }
      if (terminal !== undefined) return { kind: 'complete' }
      const missing = clean ? (framing.missing ?? judge.missing) : 'the answer was cut'
      return missing === undefined ? { kind: 'complete' } : { kind: 'incomplete', reason: missing }
    },
  }
}

/** An error as every SDK raises it. Answers of success may carry `"error": null` (OpenAI Responses). */
function saysError({ isNamedError, value }: Frame): boolean {
  return isNamedError || isError(value) || itemsOf(value).some(isError)
}

function isError(value: unknown): boolean {
  return Boolean(memberOf(value, 'error')) || memberOf(value, 'type') === 'error'
}

const mark = Buffer.from('\uFEFF')

/** Tells of each chunk how many bytes belong to a byte order mark at the start of the body: decoders drop it. */
function markSkipper(): (bytes: Uint8Array) => number {
  let seen = 0
  let isOver = false
  return bytes => {
    let at = 0
    while (!isOver && at < bytes.length) {
      if (bytes[at] === mark[seen]) {
        at++
        seen++
        isOver = seen === mark.length
      } else isOver = true
    }
    return at
  }
}
