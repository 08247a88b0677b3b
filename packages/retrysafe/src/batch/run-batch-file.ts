import { rm } from 'node:fs/promises'
import type { Surroundings } from '../engine/clock.ts'
import { safeIn } from '../engine/safe.ts'
import { describeThrown } from '../engine/thrown.ts'
import { type BatchFileOptions, checkFileOptions, surroundingsIn } from './batch-file-options.ts'
import { BatchFileRun } from './batch-file-run.ts'
import { type BatchFiles, findBatchFiles } from './batch-files.ts'
import { type BatchProgress, ProgressMeter } from './batch-progress.ts'
import { compareFiles, warningsOf } from './comparison.ts'
import { removeErrorsFile } from './errors-file.ts'
import { batchTag } from './output-line.ts'
import { type OutputLock, takeOutputLock } from './output-lock.ts'
import { registerBatch, writeStatus } from './status-file.ts'

/** How often it is said how far a batch is; others read it, and see that we live, at every fourth time. */
const progressMs = 250
const progressPerBeat = 4

/** How a run has ended: `stopped` says why, where it was not done. */
export type BatchSummary = BatchProgress

/**
 * Runs the items of a file, and appends their answers to another, in OpenAI's batch output format. The identical call
 * after a crash goes on by itself: what the output has is skipped, what was recorded is replayed, and neither is paid
 * again.
 *
 * @throws {BatchInputError} lines that cannot be run: nothing was sent
 * @throws {RetrysafeError} `CONFIG_INVALID`: an option, a file, or a batch of another id in the output: nothing was sent;
 *   `STORE_UNAVAILABLE`, `STORE_FULL`, `DRAINING`: run it again, later
 * @example
 * const summary = await runBatchFile({ input: 'in.jsonl', output: 'out.jsonl', safe, send })
 * if (summary.failed > 0) console.error(`${summary.failed} items failed: see ${summary.errors}`)
 */
export async function runBatchFile(options: BatchFileOptions): Promise<BatchSummary> {
  checkFileOptions(options)
  const files = await findBatchFiles(options)
  const lock = takeOutputLock(files.output)
  try {
    return await runLocked(options, files, lock)
  } finally {
    lock.release()
  }
}

async function runLocked(options: BatchFileOptions, files: BatchFiles, lock: OutputLock): Promise<BatchSummary> {
  const { money, onWarning, registry } = options
  const { clock, timers } = surroundingsIn(options)
  const { batchId, input, output, errors } = files
  const meter = new ProgressMeter({ batchId, input, output, errors }, clock, money && (answer => money.cost(answer)))
  meter.limit = options.concurrency ?? 16
  tellProgress(options, meter)
  // Of a run that died while it made one.
  await rm(`${output}.draft`, { force: true })
  const onKept = meter.keep.bind(meter)
  const comparison = await compareFiles({ options, files, onKept, isRepairing: true })
  await removeErrorsFile(errors, batchTag(batchId))
  for (const warning of warningsOf(comparison, output)) onWarning?.(warning)
  meter.total = comparison.input.total
  meter.begin()
  const run = new BatchFileRun({ ...comparison, options, files, meter })
  // Whoever asks for it by its id from here on finds it.
  writeStatus(files.status, meter.snapshot())
  if (registry !== undefined) registerBatch(registry, meter.snapshot())
  const beating = keepTelling({ options, files, lock, meter, run, timers })
  try {
    await run.settleAll()
  } finally {
    beating.stop()
    meter.phase = 'ended'
    tellProgress(options, meter)
    tellOthers(files.status, meter, onWarning)
  }
  return meter.snapshot()
}

interface Telling {
  readonly options: BatchFileOptions
  readonly files: BatchFiles
  readonly lock: OutputLock
  readonly meter: ProgressMeter
  readonly run: BatchFileRun
  readonly timers: Surroundings['timers']
}

/** Says how far it is until it is stopped, and sees that the output is still ours. */
function keepTelling({ options, files, lock, meter, run, timers }: Telling): { stop(): void } {
  let count = 0
  let timer = timers.after(progressMs, tell)
  function tell(): void {
    timer = timers.after(progressMs, tell)
    tellProgress(options, meter)
    if (++count % progressPerBeat !== 0) return
    if (lock.beat()) tellOthers(files.status, meter, undefined)
    else run.stop('error', `${files.output} is written by another process now: this one stood still for too long`)
  }
  return { stop: () => timer.cancel() }
}

/** What it throws is a mistake of the listener's, and no reason to leave items behind. */
function tellProgress({ onProgress, safe }: BatchFileOptions, meter: ProgressMeter): void {
  try {
    onProgress?.(meter.snapshot())
  } catch (error) {
    safeIn(safe)?.warnOnce('batch onProgress', `onProgress failed: ${describeThrown(error)}`)
  }
}

/** A disk that is full holds up no batch because of this; the next time it may work. */
function tellOthers(path: string, meter: ProgressMeter, onWarning: BatchFileOptions['onWarning']): void {
  try {
    writeStatus(path, meter.snapshot())
  } catch (error) {
    onWarning?.(`${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`)
  }
}
