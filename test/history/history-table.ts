import type { Operation, StepCall } from './operation.ts'

/** Operations in the order of their invokes, one line each, times in ms since the first. */
export function printHistory(operations: readonly Operation[]): string {
  const sorted = [...operations].sort((one, other) => one.invokedAtMs - other.invokedAtMs)
  const startMs = sorted[0]?.invokedAtMs ?? 0
  const rows = sorted.map(({ process, call, invokedAtMs, returnedAtMs, result }) => [
    round(invokedAtMs - startMs),
    returnedAtMs === undefined ? '...' : round(returnedAtMs - startMs),
    process,
    printCall(call),
    result === undefined ? 'no answer' : printFields(result.kind, result, 'kind'),
  ])
  return printTable([['invoke', 'return', 'process', 'call', 'answer'], ...rows])
}

function round(ms: number): string {
  return String(Math.round(ms * 1_000) / 1_000)
}

function printCall(call: StepCall): string {
  return printFields(call.step, call, 'step')
}

function printFields(name: string, fields: object, except: string): string {
  const parts = Object.entries(fields)
    .filter(([field]) => field !== except)
    .map(([field, value]) => `${field}=${String(value)}`)
  return [name, ...parts].join(' ')
}

function printTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
