import { frameShape } from './frame-watcher.ts'
import { SseFraming } from './sse.ts'
import type { Report } from './usage.ts'
import type { AnswerWatcher, Verdict } from './watcher.ts'

const unknown: Report = { model: undefined, usage: undefined }

function watchEnd(end: (clean: boolean) => Verdict): AnswerWatcher {
  return { write() {}, terminalAtBytes: undefined, isOver: false, heldFromBytes: undefined, report: unknown, end }
}

/** An answer of which nothing is known but its framing: a clean end is a whole answer. */
export function watchGeneric(): AnswerWatcher {
  return watchEnd(clean => (clean ? { kind: 'complete' } : { kind: 'incomplete', reason: 'the answer was cut' }))
}

/**
 * Events of an API that nobody here knows: whole at a clean end, unless one of them is named `error`. Nothing of them is
 * held back, for their sender may not mean them as events.
 */
export function watchUnknownEvents(): AnswerWatcher {
  let isFailed = false
  const framing = new SseFraming(frameShape({}), frame => {
    if (frame.isNamedError) isFailed = true
  })
  const whole = watchGeneric()
  return {
    ...whole,
    write: bytes => framing.write(bytes, 0),
    end(clean) {
      if (clean) framing.end()
      return isFailed ? { kind: 'error', reason: 'an error event' } : whole.end(clean)
    },
  }
}

/** An answer of a type that its API never sends, the page of a proxy say: no success, whatever its status. */
export function watchForeign(mediaType: string): AnswerWatcher {
  const type = mediaType === '' ? 'has no media type' : `is ${mediaType.slice(0, 64)}`
  return watchEnd(() => ({ kind: 'incomplete', reason: `the answer ${type}: none of its API's` }))
}
