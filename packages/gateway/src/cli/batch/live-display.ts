import type { WriteStream } from 'node:tty'
import { createLogUpdate } from 'log-update'
import { widthOf } from './terminal-style.ts'

/** Lines at the bottom of a terminal that are written anew in place, and lasting ones above them. */
export interface LiveDisplay {
  /** @param lines for so many columns as the terminal has */
  show(lines: (columns: number) => readonly string[]): void
  /** A line that stays. */
  print(line: string): void
  /** Takes the block away, and gives the terminal back as it was. May be called again. */
  end(): void
}

/** Some terminals tell no size. */
const usualSize = [80, 24] as const

/** @param stream a terminal */
export function openLiveDisplay(stream: WriteStream): LiveDisplay {
  const log = createLogUpdate(withSize(stream))
  let draw: ((columns: number) => readonly string[]) | undefined
  let drawn: readonly string[] = []
  let drawnColumns = 0

  function clear(columns: number): void {
    log.clear()
    // A terminal that became narrower has broken our lines into more than we wrote.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)), 0)
    if (rows > drawn.length) stream.write('\u001b[1A\u001b[2K'.repeat(rows - drawn.length))
    drawn = []
  }

  function paint(): void {
    if (draw === undefined) return
    const [columns] = sizeOf(stream)
    if (columns !== drawnColumns) clear(columns)
    drawn = draw(columns)
    drawnColumns = columns
    log(drawn.join('\n'))
  }

  stream.on('resize', paint)
  return {
    show(lines) {
      draw = lines
      paint()
    },
    print(line) {
      clear(sizeOf(stream)[0])
      stream.write(`${line}\n`)
      paint()
    },
    end() {
      stream.off('resize', paint)
      if (draw === undefined) return
      draw = undefined
      clear(sizeOf(stream)[0])
      log.done()
    },
  }
}

/** Asked of the terminal itself: what Node knows is of the last signal that it took, and a timer may have come first. */
function sizeOf(stream: WriteStream): readonly [number, number] {
  try {
    const [columns, rows] = stream.getWindowSize()
    return columns > 0 && rows > 0 ? [columns, rows] : usualSize
  } catch {
    // It is gone.
    return usualSize
  }
}

function withSize(stream: WriteStream): NodeJS.WriteStream {
  const sized = {
    isTTY: true,
    get columns(): number {
      return sizeOf(stream)[0]
    },
    get rows(): number {
      return sizeOf(stream)[1]
    },
    write: (text: string): boolean => stream.write(text),
  }
  return sized as NodeJS.WriteStream
}
