import { shownPath, titleOf } from './batch-title.ts'
import { counted, countText } from './figure-text.ts'
import { progressLine, quarterOf } from './progress-line.ts'
import { boundedWarnings, everyMs, type Reporter } from './reporter.ts'
import { summaryText } from './summary-text.ts'
import { isLively } from './terminal-style.ts'

const plainEveryMs = 10_000
const jsonEveryMs = 1_000

/** For a program, for somebody at a terminal, or for a log. */
export async function openReporter(json: boolean): Promise<Reporter> {
  if (json) return jsonReporter()
  if (!isLively(process.stderr, process.env)) return plainReporter()
  const { liveReporter } = await import('./live-reporter.ts')
  return liveReporter()
}

function jsonReporter(): Reporter {
  const write = (event: string, facts: object): void => {
    process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`)
  }
  const due = everyMs(jsonEveryMs)
  let phase: string | undefined
  return {
    progress(progress) {
      if (!due() && progress.phase === phase) return
      phase = progress.phase
      write('progress', progress)
    },
    warn: message => write('warning', { message }),
    tell(message) {
      write('notice', { message })
      say(message)
    },
    end: summary => write('summary', summary),
    abandon() {},
  }
}

function plainReporter(): Reporter {
  const warnings = boundedWarnings(say)
  const due = everyMs(plainEveryMs)
  let quarter = 0
  let hasBegun = false
  return {
    progress(progress) {
      // What is there is known once it has been read; a short batch may be over by then.
      if (progress.phase === 'reading' || progress.total === 0) return
      if (!hasBegun) {
        hasBegun = true
        due()
        say(
          `batch ${titleOf(progress)}: ${counted(progress.total, 'item')}, ${countText(progress.kept)} of them done before`,
        )
        quarter = quarterOf(progress)
        return
      }
      if (progress.phase === 'ended') return
      const isQuarter = quarterOf(progress) > quarter
      if (!isQuarter && !due()) return
      quarter = quarterOf(progress)
      say(progressLine(progress))
    },
    warn: warnings.warn,
    tell: say,
    end(summary) {
      warnings.end()
      process.stdout.write(summaryText(summary, titleOf(summary), shownPath))
    },
    abandon: warnings.end,
  }
}

function say(message: string): void {
  process.stderr.write(`retrysafe: ${message}\n`)
}
