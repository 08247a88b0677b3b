import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

/** The sandbox's meter as its file tells it: what was paid, by whom, in the order in which it was received. */
export interface MeterFile {
  /** Paid runs so far. Cheap: it reads on where it stopped. */
  runs(): number
  /** Paid runs of each key. */
  runsByKey(): ReadonlyMap<string, number>
  close(): void
}

interface Counted {
  readonly counted: string
  readonly key?: string
}

export function openMeterFile(path: string): MeterFile {
  const file = openSync(path, 'r')
  const piece = Buffer.alloc(65_536)
  const run = Buffer.from('{"counted":"run"')
  let rest = Buffer.alloc(0)
  let runs = 0
  return {
    runs() {
      for (let length = readSync(file, piece); length > 0; length = readSync(file, piece)) {
        const bytes = Buffer.concat([rest, piece.subarray(0, length)])
        const whole = bytes.lastIndexOf(10) + 1
        for (let at = 0; at < whole; at = bytes.indexOf(10, at) + 1) {
          if (bytes.subarray(at, at + run.length).equals(run)) runs += 1
        }
        rest = Buffer.from(bytes.subarray(whole))
      }
      return runs
    },
    runsByKey() {
      const byKey = new Map<string, number>()
      for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
        const { counted, key = '' } = JSON.parse(line) as Counted
        if (counted === 'run') byKey.set(key, (byKey.get(key) ?? 0) + 1)
      }
      return byKey
    },
    close: () => closeSync(file),
  }
}
