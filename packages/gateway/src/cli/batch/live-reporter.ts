import { shownPath, titleOf } from './batch-title.ts'
import { openLiveDisplay } from './live-display.ts'
import { progressBlock } from './progress-block.ts'
import { boundedWarnings, everyMs, type Reporter } from './reporter.ts'
import { summaryText } from './summary-text.ts'
import { fitted, readStyle } from './terminal-style.ts'

const frameEveryMs = 100
/** A warning longer than this many lines of the terminal is cut. */
const maxLines = 4
const usualColumns = 80

/** For somebody at a terminal: a block that is written anew in place on stderr, and the summary on stdout. */
export function liveReporter(): Reporter {
  const style = readStyle(process.env, process.platform)
  const display = openLiveDisplay(process.stderr)
  const width = (): number => (process.stderr.columns || usualColumns) * maxLines
  const print = (line: string): void => display.print(fitted(line, width(), style))
  const warnings = boundedWarnings(print)
  const due = everyMs(frameEveryMs)
  let phase: string | undefined
  const finish = (): void => {
    warnings.end()
    display.end()
  }
  return {
    progress(progress) {
      if (!due() && progress.phase === phase) return
      phase = progress.phase
      display.show(columns => progressBlock(progress, titleOf(progress), columns, style))
    },
    warn: warnings.warn,
    tell: print,
    end(summary) {
      finish()
      process.stdout.write(summaryText(summary, titleOf(summary), shownPath))
    },
    abandon: finish,
  }
}
