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
  return row.goal === undefined ? summariseMicros(row, runs) : summariseLoad(row, runs)
}

/** Of a row that is measured in this process: microseconds a call, beside bare SHA-256 and a peer. */
function summariseMicros({ name, goalMicros }, runs) {
  const medianOf = member => (runs[0][member] === undefined ? undefined : median(runs.map(run => run[member])))
  return {
    row: name,
    micros: medianOf('micros'),
    goalMicros,
    rawMicros: medianOf('rawMicros'),
    peerMicros: medianOf('peerMicros'),
    ratio: medianOf('ratio'),
  }
}

function summariseLoad(row, runs) {
  return {
    row: row.name,
    ratio: median(runs.map(run => run.ratio)),
    goal: row.goal,
    beside: row.beside,
    perSecond: median(runs.map(run => run.ours.perSecond)),
    barePerSecond: median(runs.map(run => run.bare.perSecond)),
    p50Ms: median(runs.map(run => run.ours.p50Ms)),
    p99Ms: median(runs.map(run => run.ours.p99Ms)),
    bareP50Ms: median(runs.map(run => run.bare.p50Ms)),
    bareP99Ms: median(runs.map(run => run.bare.p99Ms)),
    answered: runs.reduce((sum, run) => sum + run.ours.answered, 0),
    executed: runs.reduce((sum, run) => sum + run.executed, 0),
  }
}

export function isMissed({ ratio, goal, micros, goalMicros }) {
  return goal === undefined ? micros > goalMicros : ratio < goal
}

export function missedLine({ row, ratio, goal, micros, goalMicros }) {
  if (goal === undefined) return `${row}: ${micros.toFixed(1)} µs > ${goalMicros} µs`
  return `${row}: ${ratio.toFixed(2)} < ${goal}`
}

export function table(rows) {
  const [load, micros] = [rows.filter(row => row.goal !== undefined), rows.filter(row => row.goal === undefined)]
  return [load.length > 0 && loadTable(load), micros.length > 0 && microsTable(micros)].filter(Boolean).join('\n\n')
}

function microsTable(rows) {
  const head = ['row', 'µs', 'goal', 'bare SHA-256 µs', 'canonicalize from npm µs']
  return markdown(
    head,
    rows.map(({ row, micros, goalMicros, rawMicros, peerMicros }) => [
      row,
      micros.toFixed(1),
      goalMicros === undefined ? '' : `≤ ${goalMicros}`,
      rawMicros.toFixed(1),
      peerMicros?.toFixed(1) ?? '',
    ]),
  )
}

function loadTable(rows) {
  const head = ['row', 'ratio', 'goal', 'beside', 'ours/s', 'beside/s', 'p50 ms', 'p99 ms', 'answers', 'executions']
  const lines = rows.map(row => [
    row.row,
    row.ratio.toFixed(2),
    `≥ ${row.goal.toFixed(2)}`,
    row.beside,
    Math.round(row.perSecond),
    Math.round(row.barePerSecond),
    row.p50Ms,
    row.p99Ms,
    row.answered,
    row.executed,
  ])
  return markdown(head, lines)
}

function markdown(head, lines) {
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
