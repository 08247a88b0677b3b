import type { BatchProgress } from 'retrysafe/internal/batch/file/batch-progress'
import {
  aboutUsdText,
  clockText,
  countText,
  durationText,
  percentOf,
  rateText,
  shortCountText,
  usdText,
} from './figure-text.ts'
import { fitted, paint, type TerminalStyle, widthOf } from './terminal-style.ts'
import { waitText } from './wait-text.ts'

const widest = 80
const gap = 2

/** The lines of the display, none of them wider than `columns`. */
export function progressBlock(progress: BatchProgress, title: string, columns: number, style: TerminalStyle): string[] {
  const width = Math.max(1, Math.min(columns, widest))
  const dot = style.unicode ? ' · ' : ' | '
  const groups = [countsOf(progress, style), paceOf(progress), spendOf(progress)]
  return [
    titleLine(title, progress, width, style),
    barLine(progress, width, style),
    ...groups.flatMap(group => flow(group, dot, width, style)),
    ...noteOf(progress).map(note => paint(style, 'yellow', fitted(note, width, style))),
  ]
}

function titleLine(title: string, { elapsedMs }: BatchProgress, width: number, style: TerminalStyle): string {
  const clock = clockText(elapsedMs)
  const room = width - clock.length - gap
  if (room < 8) return fitted(title, width, style)
  const name = fitted(title, room, style)
  return `${paint(style, 'bold', name)}${' '.repeat(width - clock.length - widthOf(name))}${paint(style, 'dim', clock)}`
}

function barLine({ done, failed, total }: BatchProgress, width: number, style: TerminalStyle): string {
  const percent = `${percentOf(done + failed, total)} %`.padStart(5)
  const cells = width - percent.length - 1
  if (cells < 4) return fitted(percent.trim(), width, style)
  const [full, red, empty] = style.unicode ? ['━', '━', '─'] : ['#', 'x', '-']
  const cellsOf = (count: number): number => (total === 0 ? 0 : Math.floor((count / total) * cells))
  // One that failed is seen.
  const bad = failed === 0 ? 0 : Math.max(1, cellsOf(failed))
  const good = Math.max(0, Math.min(cellsOf(done), cells - bad))
  const rest = paint(style, 'dim', empty.repeat(cells - good - bad))
  return `${paint(style, 'green', full.repeat(good))}${paint(style, 'red', red.repeat(bad))}${rest} ${percent}`
}

function countsOf({ done, failed, total, inFlight, limit }: BatchProgress, style: TerminalStyle): string[] {
  const failures = `${countText(failed)} failed`
  return [
    `${countText(done)} of ${countText(total)} done`,
    failed === 0 ? failures : paint(style, 'red', failures),
    `${countText(inFlight)} of ${countText(limit)} in flight`,
  ]
}

function paceOf({ kept, replayed, perSecond, etaMs }: BatchProgress): string[] {
  const eta = etaMs === undefined ? 'ETA unknown' : `ETA ${durationText(etaMs)}`
  return [`${countText(kept)} kept`, `${countText(replayed)} replayed`, rateText(perSecond), eta]
}

function spendOf({ inputTokens, outputTokens, usdSpent, usdSaved, withoutPrice }: BatchProgress): string[] {
  return [
    `${shortCountText(inputTokens)} tokens in`,
    `${shortCountText(outputTokens)} out`,
    ...(usdSpent === null ? [] : [`${aboutUsdText(usdSpent, withoutPrice)} spent`]),
    ...(usdSaved === null ? [] : [`${usdText(usdSaved)} saved`]),
  ]
}

function noteOf(progress: BatchProgress): string[] {
  if (progress.phase === 'reading') return ['reading the input']
  if (progress.phase === 'finishing') return ['finishing: putting the outputs in order']
  const wait = waitText(progress)
  return wait === undefined ? [] : [`waiting ${wait}`]
}

/** Pieces side by side, and below each other where there is no room. */
function flow(pieces: readonly string[], dot: string, width: number, style: TerminalStyle): string[] {
  const lines: string[] = []
  let line = ''
  for (const piece of pieces) {
    const joined = line === '' ? piece : line + dot + piece
    if (line !== '' && widthOf(joined) > width) {
      lines.push(line)
      line = piece
    } else line = joined
  }
  return [...lines, line].map(text => (widthOf(text) > width ? fitted(text, width, style) : text))
}
