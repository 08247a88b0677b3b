import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Ended, type Environment, type Program, runProgram, startProgram } from './program.ts'

/** A line of an output or an errors file. */
export interface OutputLine {
  readonly id: string
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly request_id: string | null; readonly body: unknown } | null
  readonly error: { readonly code: string; readonly message: string } | null
}

/** A folder with the files of a batch, and the command over them. */
export interface BatchFolder {
  readonly path: string
  readonly input: string
  readonly output: string
  readonly errors: string
  /** Flags that every run of the batch has: its output and a store of its own. */
  readonly flags: readonly string[]
  write(lines: readonly (object | string)[]): void
  outputs(): readonly OutputLine[]
  failures(): readonly OutputLine[]
  /** Runs the batch to its end. */
  run(baseUrl: string, flags?: readonly string[], environment?: Environment): Promise<Ended>
  /** Starts it with `--json`; it has begun when this resolves. */
  start(baseUrl: string, flags?: readonly string[]): Promise<Program>
  /** All files below the folder that hold this text. */
  filesWith(text: string): readonly string[]
}

const folders: string[] = []
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

export function makeBatchFolder(): BatchFolder {
  const path = mkdtempSync(join(tmpdir(), 'retrysafe-batch-'))
  folders.push(path)
  const [input, output, errors] = ['in.jsonl', 'out.jsonl', 'out.errors.jsonl'].map(name => join(path, name))
  const flags = ['--out', String(output), '--store', `lmdb:${join(path, 'data')}`]
  return {
    path,
    input: String(input),
    output: String(output),
    errors: String(errors),
    flags,
    write(lines) {
      const texts = lines.map(line => (typeof line === 'string' ? line : JSON.stringify(line)))
      writeFileSync(String(input), texts.map(text => `${text}\n`).join(''))
    },
    outputs: () => readLines(String(output)),
    failures: () => readLines(String(errors)),
    run(baseUrl, more = [], environment = {}) {
      return runProgram(['batch', 'run', String(input), '--base-url', baseUrl, ...flags, ...more], environment)
    },
    start(baseUrl, more = []) {
      return startProgram(['batch', 'run', String(input), '--base-url', baseUrl, ...flags, ...more, '--json'])
    },
    filesWith(text) {
      const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
      const paths = files.map(entry => join(entry.parentPath, entry.name))
      return paths.filter(file => readFileSync(file).includes(text))
    },
  }
}

/** Items of a batch: each asks under a path of its own, so that an upstream can tell them apart. */
export function chatItems(count: number, model = 'm-1'): readonly object[] {
  return Array.from({ length: count }, (_, at) => ({
    custom_id: `doc-${at + 1}`,
    method: 'POST',
    url: `/v1/chat/completions?item=${at + 1}`,
    body: { model, max_tokens: 10, messages: [{ role: 'user', content: `Document ${at + 1}` }] },
  }))
}

function readLines(path: string): readonly OutputLine[] {
  if (!existsSync(path)) return []
  const text = readFileSync(path, 'utf8')
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as OutputLine)
}
