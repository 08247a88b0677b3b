import { hash } from 'node:crypto'
import { access, constants, readlink, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { RetrysafeError } from '../../engine/errors.ts'

/** The files of a batch, by their real paths. */
export interface BatchFiles {
  readonly input: string
  readonly output: string
  readonly errors: string
  readonly status: string
  readonly batchId: string
}

export interface NamedFiles {
  readonly input: string
  readonly output: string
  readonly errors?: string | undefined
  readonly batchId?: string | undefined
}

/** Longest id of a batch. */
const maxBatchIdLength = 1_000
/** Of links one after the other, as Linux has it. */
const maxLinks = 40

/**
 * @throws {RetrysafeError} `CONFIG_INVALID`: two of them are one, one is no file, or there is no right to write it. What
 * is not there yet is not made.
 */
export async function findBatchFiles(named: NamedFiles): Promise<BatchFiles> {
  const input = await realpath(named.input).catch(async error => {
    // A pipe by a name such as /dev/stdin.
    if ((await stat(named.input).catch(() => undefined)) !== undefined)
      throw invalid(`${named.input} is no file: a batch's input is read twice`)
    const why = codeOf(error) === 'ENOENT' ? 'there is no such file' : codeOf(error)
    throw invalid(`${named.input} cannot be read: ${why}`)
  })
  const output = await findWritable(named.output)
  const errors = await findWritable(named.errors ?? `${named.output.replace(/\.jsonl$/, '')}.errors.jsonl`)
  const status = statusPathOf(output)
  const paths = [input, output, errors, status, `${output}.lock`, `${output}.draft`]
  for (const [index, path] of paths.entries()) {
    for (const other of paths.slice(0, index)) {
      if (await isSame(path, other)) throw invalid(`${path} stands for two files of one batch: give each its own`)
    }
  }
  return { input, output, errors, status, batchId: named.batchId ?? idOf(output) }
}

function idOf(output: string): string {
  return output.length > maxBatchIdLength ? hash('sha256', output, 'hex') : output
}

/** What a batch says of itself while it runs, beside its output. */
export function statusPathOf(output: string): string {
  return `${output}.status.json`
}

async function findWritable(path: string, mostLinks: number = maxLinks): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) {
    const folder = await realpath(dirname(path)).catch(() => {
      throw invalid(`${path} cannot be written: there is no folder ${dirname(path)}`)
    })
    // A link to what is to be made: it is called by its real path from its first run on.
    const target = mostLinks > 0 ? await readlink(path).catch(() => undefined) : undefined
    if (target !== undefined) return findWritable(resolve(folder, target), mostLinks - 1)
    await checkRights(folder, path)
    return join(folder, basename(path))
  }
  if (!found.isFile()) throw invalid(`${path} is no file: it takes one, or the name of one that is still to be made`)
  const real = await realpath(path)
  await checkRights(real, path)
  // Beside it lie its lock and its status, and a repaired one takes its place.
  await checkRights(dirname(real), path)
  return real
}

async function checkRights(path: string, named: string): Promise<void> {
  await access(path, constants.W_OK).catch(error => {
    throw invalid(`${named} cannot be written: there is no right to write ${path} (${codeOf(error)})`)
  })
}

/** Also by two names of it: a hard link. */
async function isSame(one: string, other: string): Promise<boolean> {
  if (one === other) return true
  const [first, second] = await Promise.all([one, other].map(path => stat(path).catch(() => undefined)))
  return first !== undefined && second !== undefined && first.ino === second.ino && first.dev === second.dev
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? error)
}

function invalid(message: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', message)
}
