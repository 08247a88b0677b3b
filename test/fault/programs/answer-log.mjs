import { fsyncSync, openSync, writeSync } from 'node:fs'
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

/** The same lines as test/history/ledger.ts writes: an effect has begun when its line is on the disk. */
export function openLedger(path) {
  const file = openSync(path, 'ax')
  return (phase, key, { fence, owner }, attempt) => {
    const entry = { process: String(process.pid), key, owner, fence, attempt, phase, atMs: machineMs() }
    writeSync(file, `${JSON.stringify(entry)}\n`)
    fsyncSync(file)
  }
}
