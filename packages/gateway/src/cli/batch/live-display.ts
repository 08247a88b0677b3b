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

/** Terminals tell no width when they are not asked. */
const usualColumns = 80

/** @param stream a terminal */
export function openLiveDisplay(stream: WriteStream): LiveDisplay {
  const log = createLogUpdate(stream)
  const columns = (): number => stream.columns || usualColumns
  let draw: ((columns: number) => readonly string[]) | undefined
  let drawn: readonly string[] = []

  function paint(): void {
    if (draw === undefined) return
    drawn = draw(columns())
    log(drawn.join('\n'))
  }

  /** A terminal that became narrower has broken our lines into more than we wrote. */
  function redraw(): void {
    const width = columns()
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / width)), 0)
    log.clear()
    const more = rows - drawn.length
    if (more > 0) stream.write('\u001b[1A\u001b[2K'.repeat(more))
    drawn = []
    paint()
  }

  stream.on('resize', redraw)
  return {
    show(lines) {
      draw = lines
      paint()
    },
    print(line) {
      log.clear()
      stream.write(`${line}\n`)
      paint()
    },
    end() {
      stream.off('resize', redraw)
      if (draw === undefined) return
      draw = undefined
      log.clear()
      log.done()
    },
  }
}
