import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { dirname } from 'node:path'

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}

/** One row of the table, with the medians of its runs. */
export function summarise(row, runs) {
  return {
    row: row.name,
    ratio: median(runs.map(run => run.ratio)),
    goal: row.goal,
    perSecond: median(runs.map(run => run.gateway.perSecond)),
    barePerSecond: median(runs.map(run => run.bare.perSecond)),
    p50Ms: median(runs.map(run => run.gateway.p50Ms)),
    p99Ms: median(runs.map(run => run.gateway.p99Ms)),
    answered: runs.reduce((sum, run) => sum + run.gateway.answered, 0),
    executed: runs.reduce((sum, run) => sum + run.executed, 0),
  }
}

export function table(rows) {
  const head = ['row', 'of bare node:http', 'goal', 'ours/s', 'bare/s', 'p50 ms', 'p99 ms', 'answers', 'executions']
  const lines = rows.map(row => [
    row.row,
    row.ratio.toFixed(2),
    `≥ ${row.goal.toFixed(2)}`,
    Math.round(row.perSecond),
    Math.round(row.barePerSecond),
    row.p50Ms,
    row.p99Ms,
    row.answered,
    row.executed,
  ])
  return [head, head.map(() => '---'), ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}

/** Keeps the figures with what they were measured on. */
export function writeResult(path, rows, runs, settings) {
  const [cpu] = cpus()
  mkdirSync(dirname(path), { recursive: true })
  const machine = { cpu: cpu?.model, cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30) }
  const result = {
    at: new Date().toISOString(),
    commit: commit(),
    node: process.version,
    machine,
    settings,
    rows,
    runs,
  }
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`)
}

function commit() {
  const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' (changed)')
}
