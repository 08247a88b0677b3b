import type { AnswerWatcher } from './watcher.ts'

/** An answer of which nothing is known but its framing: a clean end is a whole answer. */
export function watchGeneric(): AnswerWatcher {
  return {
    write() {},
    terminalAtBytes: undefined,
    heldFromBytes: undefined,
    end: clean => (clean ? { kind: 'complete' } : { kind: 'incomplete', reason: 'the body was cut' }),
  }
}
