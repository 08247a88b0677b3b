import { rm } from 'node:fs/promises'
import { safeIn } from '../../engine/safe.ts'
import { describeThrown } from '../../engine/thrown.ts'
import { defaultConcurrency } from '../options.ts'
import { type BatchFileOptions, checkFileOptions, surroundingsIn } from './batch-file-options.ts'
import { BatchFileRun } from './batch-file-run.ts'
import { type BatchFiles, findBatchFiles } from './batch-files.ts'
import { type BatchProgress, ProgressMeter } from './batch-progress.ts'
import { ComparisonStopped, compareFiles, warningsOf } from './comparison.ts'
import { removeErrorsFile } from './errors-file.ts'
import { batchTag } from './output-line.ts'
import { awaitOutputLock, type OutputLock } from './output-lock.ts'
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
  const { timers } = surroundingsIn(options)
  const lock = await awaitOutputLock(files.output, timers, message => options.onWarning?.(message))
  try {
    return await runLocked(options, files, lock)
  } finally {
    lock.release()
  }
}

async function runLocked(options: BatchFileOptions, files: BatchFiles, lock: OutputLock): Promise<BatchSummary> {
  const { money, onWarning } = options
  const { batchId, input, output, errors } = files
  const { clock } = surroundingsIn(options)
  const meter = new ProgressMeter({ batchId, input, output, errors }, clock, money && (answer => money.cost(answer)))
  meter.limit = options.concurrency ?? defaultConcurrency
  tellProgress(options, meter)
  const beating = keepBeating({ options, files, lock, meter })
  try {
    // Of a run that died while it made one.
    await rm(`${output}.draft`, { force: true })
    const onKept = meter.keep.bind(meter)
    const comparison = await compareFiles({ options, files, onKept, isRepairing: true })
    await removeErrorsFile(errors, batchTag(batchId))
    for (const warning of warningsOf(comparison, output)) onWarning?.(warning)
    meter.total = comparison.input.total
    meter.begin()
    // Whoever asks for it by its id from here on finds it.
    tellOthers(options, files, meter)
    await settle(new BatchFileRun({ ...comparison, options, files, meter }), beating.lost)
  } catch (error) {
    if (!(error instanceof ComparisonStopped)) throw error
    meter.stopped = 'signal'
  } finally {
    beating.stop()
    // Before that it knows less of the batch than the last run has left.
    const hasBegun = meter.phase !== 'reading'
    if (hasBegun || meter.stopped !== undefined) meter.phase = 'ended'
    tellProgress(options, meter)
    if (hasBegun) tellOthers(options, files, meter)
  }
  return meter.snapshot()
}

async function settle(run: BatchFileRun, lost: AbortSignal): Promise<void> {
  const stop = (): void => run.stop('error', 'the output is written by another process now: this one stood still')
  lost.addEventListener('abort', stop)
  if (lost.aborted) stop()
  await run.settleAll()
}

interface Beating {
  /** Fires when the output is not ours any more. */
  readonly lost: AbortSignal
  stop(): void
}

interface BeatingTerms {
  readonly options: BatchFileOptions
  readonly files: BatchFiles
  readonly lock: OutputLock
  readonly meter: ProgressMeter
}

/** Says how far it is, and to others that we live, from the first look at a file to the last. */
function keepBeating({ options, files, lock, meter }: BeatingTerms): Beating {
  const { timers } = surroundingsIn(options)
  const lost = new AbortController()
  let count = 0
  let timer = timers.after(progressMs, beat)
  function beat(): void {
    timer = timers.after(progressMs, beat)
    tellProgress(options, meter)
    if (++count % progressPerBeat !== 0) return
    if (!lock.beat()) lost.abort()
    else if (meter.phase !== 'reading') tellOthers(options, files, meter)
  }
  return { lost: lost.signal, stop: () => timer.cancel() }
}

/** What it throws is a mistake of the listener's, and no reason to leave items behind. */
function tellProgress({ onProgress, safe }: BatchFileOptions, meter: ProgressMeter): void {
  try {
    onProgress?.(meter.snapshot())
  } catch (error) {
    safeIn(safe)?.warnOnce('batch onProgress', `onProgress failed: ${describeThrown(error)}`)
  }
}

/** That nobody may read how far it is holds up no batch. */
function tellOthers({ registry, safe }: BatchFileOptions, { status }: BatchFiles, meter: ProgressMeter): void {
  const progress = meter.snapshot()
  try {
    writeStatus(status, progress)
    if (registry !== undefined && meter.settledCount === 0) registerBatch(registry, progress)
  } catch (error) {
    safeIn(safe)?.warnOnce('batch status', `the status of the batch cannot be written: ${describeThrown(error)}`)
  }
}
