import { hash } from 'node:crypto'
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { RetrysafeError } from '../../engine/errors.ts'
import { statusPathOf } from './batch-files.ts'
import type { BatchProgress } from './batch-progress.ts'
import { findOutputOwner } from './output-lock.ts'

/**
 * What is known of a batch, running or not.
 * - `running`: its process lives;
 * - `killed`: it did not end, and its process is gone: run it again;
 * - `stopped`: it ended early, `stopped` says why;
 * - `ended`: nothing is left but what failed.
 */
export interface BatchStatus extends BatchProgress {
  readonly state: 'running' | 'killed' | 'stopped' | 'ended'
  /** Of the process that runs it, or did. */
  readonly pid: number
}

/** Replaces the file as a whole: whoever reads it never sees half of it. */
export function writeStatus(path: string, progress: BatchProgress): void {
  writeWhole(path, JSON.stringify({ ...progress, pid: process.pid }))
}

/** Leaves in a folder where the output of a batch is, for `readBatchStatus` to find it by the batch's id. */
export function registerBatch(registry: string, { batchId, output }: BatchProgress): void {
  mkdirSync(registry, { recursive: true })
  writeWhole(entryPath(registry, batchId), JSON.stringify({ batchId, output }))
}

/**
 * @param ref the path of a batch's output, or its id
 * @param registries folders where batches were registered
 * @throws {RetrysafeError} `CONFIG_INVALID`: there is no such batch
 * @example
 * const { state, done, total } = await readBatchStatus('out.jsonl', [])
 */
export async function readBatchStatus(ref: string, registries: readonly string[]): Promise<BatchStatus> {
  const outputs = [realPathOf(ref), ...registries.map(registry => outputOf(registry, ref))]
  for (const output of outputs) {
    const status = output === undefined ? undefined : readJson(statusPathOf(output))
    if (output !== undefined && isStatus(status)) return { ...status, state: stateOf(status, output) }
  }
  const message = `there is no batch ${JSON.stringify(ref)}: it takes the path of an output, or the id of a batch that ran with this store`
  throw new RetrysafeError('CONFIG_INVALID', message)
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}

function stateOf({ phase, stopped }: BatchProgress, output: string): BatchStatus['state'] {
  if (phase !== 'ended') return findOutputOwner(output) === undefined ? 'killed' : 'running'
  return stopped === undefined ? 'ended' : 'stopped'
}

/** What a status has in any case: a file of that name may be of somebody else, or of another release. */
const texts = ['phase', 'batchId', 'input', 'output', 'errors', 'startedAt', 'updatedAt']
const figures = [
  ...['total', 'done', 'failed', 'kept', 'replayed', 'inFlight', 'limit', 'heldMs', 'perSecond', 'inputTokens'],
  ...['outputTokens', 'withoutPrice', 'elapsedMs', 'pid'],
]

function isStatus(value: unknown): value is BatchStatus {
  if (typeof value !== 'object' || value === null) return false
  const facts = value as Readonly<Record<string, unknown>>
  const isMoney = (name: string): boolean => facts[name] === null || Number.isFinite(facts[name])
  return (
    texts.every(name => typeof facts[name] === 'string') &&
    figures.every(name => Number.isFinite(facts[name])) &&
    ['usdSpent', 'usdSaved'].every(isMoney)
  )
}

function outputOf(registry: string, batchId: string): string | undefined {
  const entry = readJson(entryPath(registry, batchId))
  if (typeof entry !== 'object' || entry === null) return undefined
  const { batchId: id, output } = entry as { batchId?: unknown; output?: unknown }
  return id === batchId && typeof output === 'string' ? output : undefined
}

/** An id may hold anything, and be long. */
function entryPath(registry: string, batchId: string): string {
  return join(registry, `${hash('sha256', batchId, 'hex').slice(0, 32)}.json`)
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}.draft`
  try {
    writeFileSync(draft, text)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}
