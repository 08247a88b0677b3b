import { openSync, writeSync } from 'node:fs'
import { machineMs } from './answer-parent.mjs'

/** The same lines as test/history/history-file.ts writes: one before a step, one after its answer. */
export function openHistory(path) {
  const file = openSync(path, 'ax')
  const write = line => writeSync(file, `${JSON.stringify(line)}\n`)
  let count = 0
  return {
    invoke(key, call) {
      const number = count++
      write({ line: 'invoke', number, key, call, atMs: machineMs() })
      return result => write({ line: 'return', number, result, atMs: machineMs() })
    },
  }
}

/** Acknowledged completions, one line each, written after the acknowledgement. */
export function openAcknowledgements(path) {
  const file = openSync(path, 'ax')
  return acknowledged => writeSync(file, `${JSON.stringify(acknowledged)}\n`)
}
