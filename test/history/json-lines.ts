import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs'

export interface LineWriter {
  write(value: object): void
  close(): void
}

/**
 * A new file of JSON lines, for one life of one process: so only its last line can be torn.
 *
 * @param flush fsync after each line; without it a line outlives the process, not the machine
 * @throws {Error} `EEXIST` when the file is there
 */
export function createLines(path: string, flush: boolean): LineWriter {
  const file = openSync(path, 'ax')
  return {
    write: value => {
      writeSync(file, `${JSON.stringify(value)}\n`)
      if (flush) fsyncSync(file)
    },
    close: () => closeSync(file),
  }
}

/**
 * The values of a file of JSON lines; a torn last line counts as never written.
 *
 * @throws {Error} a line that is no JSON, and is not the last
 */
export function readLines(path: string): unknown[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  // What follows the last newline: nothing, or a line that its writer did not live to end.
  lines.pop()
  return lines.map((line, index): unknown => {
    try {
      return JSON.parse(line)
    } catch {
      throw new Error(`${path}:${index + 1} is no JSON line: ${line.slice(0, 200)}`)
    }
  })
}
