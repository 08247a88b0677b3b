import { RetrysafeError } from '../../engine/errors.ts'
import { describeThrown } from '../../engine/thrown.ts'
import { type BatchEvent, type BatchOptions, type BatchResult, defaultConcurrency } from '../options.ts'
import { runUniqueBatch } from '../run-batch.ts'
import { judgeThrown } from '../try-verdict.ts'
import { type BatchFileOptions, surroundingsIn } from './batch-file-options.ts'
import type { BatchFiles } from './batch-files.ts'
import type { BatchAnswer, BatchLine } from './batch-line.ts'
import type { BatchStop, ProgressMeter } from './batch-progress.ts'
import type { Comparison } from './comparison.ts'
import { ErrorsFile } from './errors-file.ts'
import { ownLine } from './input-line.ts'
import { FileDisturbed, LineFile } from './line-file.ts'
import { answerLine, batchTag, outputId } from './output-line.ts'
import { orderOutput } from './output-order.ts'
import { InputChanged, readPlacedLines } from './placed-lines.ts'
import { printable } from './printable-text.ts'
import { RefusalStreak } from './refusal-streak.ts'
import { SpendingLimit } from './spending-limit.ts'

export interface BatchFileRunTerms extends Comparison {
  readonly options: BatchFileOptions
  readonly files: BatchFiles
  readonly meter: ProgressMeter
}

/** Of two reasons to end the heavier one is told: a limit that was reached says nothing of a disk that is full. */
const weights: Readonly<Record<BatchStop, number>> = {
  limit: 0,
  'max cost': 0,
  signal: 1,
  refused: 2,
  stalled: 2,
  error: 3,
  'disk full': 3,
}

type Result = BatchResult<BatchLine, BatchAnswer>

/** From the input to the output: what is not there yet is sent, and appended as it comes. */
export class BatchFileRun {
  readonly #terms: BatchFileRunTerms
  readonly #tag: string
  readonly #stop = new AbortController()
  readonly #errors: ErrorsFile
  readonly #refusals: RefusalStreak
  readonly #spending: SpendingLimit | undefined
  /** Errors of which it is known what they may have cost. */
  readonly #ofSend = new WeakSet<object>()
  #hasWriteFailed = false
  /** Items that were handed on in this run. */
  #begun = 0
  /** Why no more are. */
  #halted: 'limit' | 'max cost' | undefined

  constructor(terms: BatchFileRunTerms) {
    const { options, files, meter } = terms
    const { maxUsd, concurrency = defaultConcurrency } = options
    this.#terms = terms
    this.#tag = batchTag(files.batchId)
    this.#errors = new ErrorsFile(files.errors, surroundingsIn(options).clock, error => this.#failWriting(error))
    this.#refusals = new RefusalStreak(Math.max(16, concurrency))
    this.#spending = maxUsd === undefined ? undefined : new SpendingLimit(maxUsd, () => meter.usdSpent)
  }

  /** Begins nothing new; what is sent is finished and recorded. */
  stop(reason: BatchStop, message?: string): void {
    const { meter, options } = this.#terms
    // Also where no more was to begin: what has begun is left behind, and that is no good end.
    if (meter.stopped !== undefined && weights[reason] <= weights[meter.stopped]) return
    meter.stopped = reason
    this.#stop.abort()
    if (message !== undefined) options.onWarning?.(message)
  }

  async settleAll(): Promise<void> {
    const { options, meter } = this.#terms
    const { signal } = options
    const leave = (): void => this.stop('signal')
    signal?.addEventListener('abort', leave)
    if (signal?.aborted) leave()
    try {
      await this.#appendAll()
    } catch (error) {
      this.#end(error)
    } finally {
      signal?.removeEventListener('abort', leave)
    }
    // It fired too late to stop anything.
    if (meter.stopped === 'signal' && this.#isAllSettled) meter.stopped = this.#halted
    const isOrderly = meter.stopped === undefined || meter.stopped === 'limit' || meter.stopped === 'max cost'
    if (options.order === 'input' && isOrderly) await this.#putInOrder()
  }

  get #isAllSettled(): boolean {
    const { meter } = this.#terms
    const { done, failed, total } = meter.snapshot()
    return done + failed === total || (this.#halted !== undefined && meter.settledCount === this.#begun)
  }

  async #appendAll(): Promise<void> {
    const { scanned } = this.#terms
    const output = await this.#openOutput()
    if (scanned.isUnended) output.append('\n')
    try {
      for await (const result of runUniqueBatch(this.#wantedLines(), this.#batchOptions())) {
        await this.#settle(output, result)
      }
    } finally {
      await output.close()
      await this.#errors.close()
    }
  }

  async #openOutput(): Promise<LineFile> {
    const { files, scanned, options } = this.#terms
    const onFailure = (error: unknown): void => this.#failWriting(error)
    try {
      return await LineFile.open(files.output, scanned.lengthBytes, surroundingsIn(options).clock, onFailure)
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code
      throw new RetrysafeError('CONFIG_INVALID', `${files.output} cannot be written: ${why}`, { cause: error })
    }
  }

  #batchOptions(): BatchOptions<BatchLine, BatchAnswer> {
    const { input, output, errors, batchId, order, limit, money, maxUsd, registry, onProgress, onWarning, ...rest } =
      this.#terms.options
    const { files, meter } = this.#terms
    return {
      ...rest,
      batchId: files.batchId,
      customId: line => line.customId,
      fingerprint: line => line.fingerprint,
      sizeOf: line => line.sizeBytes,
      signal: this.#stop.signal,
      onEvent: event => this.#hear(event),
      send: async (line, context) => {
        meter.send(context.idempotencyKey)
        try {
          return await rest.send(line, context)
        } catch (error) {
          this.#doubt(line, error)
          throw error
        } finally {
          meter.inFlight--
        }
      },
    }
  }

  #hear(event: BatchEvent): void {
    const { meter } = this.#terms
    switch (event.kind) {
      case 'try failed':
        if (event.next === 'retry') meter.pause(event.key, event.delayMs, describeThrown(event.error))
        break
      case 'waiting':
        meter.awaited = event
        break
      case 'gate':
        meter.limit = event.limit
        meter.hold(event.heldMs)
        meter.trouble = event.trouble
        break
    }
  }

  /** The lines that the output does not have, for as long as more may begin. */
  async *#wantedLines(): AsyncGenerator<BatchLine, void, undefined> {
    const { scanned, options, files, input } = this.#terms
    const { limit = Number.POSITIVE_INFINITY, money } = options
    for await (const { line, place } of readPlacedLines(files, input)) {
      if (this.#stop.signal.aborted) return
      if (scanned.kept.has(place)) continue
      if (this.#begun === limit) return this.#halt('limit')
      // The wait may outlast the line's place in memory.
      const own = ownLine(line)
      if (this.#spending !== undefined) {
        const usd = money?.estimate(own) ?? 0
        if (!(await this.#spending.reserve(own.lineNumber, usd, this.#stop.signal))) return this.#halt('max cost')
      }
      this.#begun++
      yield own
    }
  }

  /** The end of what is to begin; what has begun is tried as ever. */
  #halt(reason: 'limit' | 'max cost'): void {
    if (this.#stop.signal.aborted) return
    this.#halted = reason
    this.#terms.meter.stopped = reason
  }

  async #settle(output: LineFile, result: Result): Promise<void> {
    const { meter } = this.#terms
    const { item, key } = result
    if (this.#hasWriteFailed) return
    const id = outputId(this.#tag, key)
    switch (result.kind) {
      case 'done':
        meter.succeed(result.value, result.replayed || result.value.replayed)
        this.#spending?.settle(item.lineNumber, false)
        this.#refusals.note(undefined)
        return output.append(answerLine(id, item.customId, result.value))
      case 'failed': {
        meter.fail(result.error instanceof RetrysafeError && result.error.code === 'OUTCOME_UNKNOWN')
        this.#spending?.settle(item.lineNumber, !this.#ofSend.has(Object(result.error)))
        this.#warnOfFailure(item, result.error)
        return this.#errors.append(id, item.customId, result.error)
      }
    }
  }

  /** What a call that failed may have cost all the same, whatever its item comes to. */
  #doubt({ lineNumber }: BatchLine, error: unknown): void {
    if (this.#spending === undefined) return
    this.#ofSend.add(Object(error))
    const { kind } = judgeThrown(error, surroundingsIn(this.#terms.options))
    if (kind === 'fault' || (kind === 'ambiguous' && !this.#isPaidOnce)) this.#spending.doubt(lineNumber)
  }

  get #isPaidOnce(): boolean {
    const { honoursKeys } = this.#terms.options
    try {
      return typeof honoursKeys === 'function' ? honoursKeys() : honoursKeys === true
    } catch {
      // Who asks before the next try says so.
      return false
    }
  }

  #warnOfFailure({ lineNumber, customId }: BatchLine, error: unknown): void {
    const why = describeThrown(error instanceof Error ? error.message : error)
    this.#terms.options.onWarning?.(printable(`line ${lineNumber}, ${customId}: ${why}`))
    const status = this.#refusals.note(error)
    if (status === undefined) return
    const what = status === 404 ? 'the base URL and the paths of the lines' : 'the API key'
    const since = this.#refusals.isStart ? 'everything so far was' : 'all of late were'
    this.stop('refused', `${since} refused with ${status}: look at ${what}, and run it again`)
  }

  #failWriting(error: unknown): void {
    this.#hasWriteFailed = true
    const { code = '' } = error as NodeJS.ErrnoException
    const isFull = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
    const { output } = this.#terms.files
    const again = 'and run it again: what was answered is recorded, and is not paid for again'
    if (error instanceof FileDisturbed) return this.stop('error', `${error.message}: let it be, ${again}`)
    const advice = `${isFull ? 'make room' : 'see to it'} ${again}`
    const what = `${output} or its errors cannot be written (${code || describeThrown(error)})`
    this.stop(isFull ? 'disk full' : 'error', `${what}: ${advice}`)
  }

  #end(error: unknown): void {
    if (error instanceof InputChanged) return this.stop('error', error.message)
    if (error instanceof RetrysafeError && error.code === 'UPSTREAM_UNREACHABLE') {
      return this.stop('stalled', error.message)
    }
    this.#terms.meter.stopped ??= 'error'
    throw error
  }

  async #putInOrder(): Promise<void> {
    const { files, input, meter, options } = this.#terms
    meter.phase = 'finishing'
    try {
      await orderOutput(files.output, this.#tag, input, this.#places())
    } catch (error) {
      options.onWarning?.(`${files.output} is whole, but not in the order of the input: ${describeThrown(error)}`)
    }
  }

  async *#places(): AsyncGenerator<number, void, undefined> {
    const { files, input } = this.#terms
    for await (const { place } of readPlacedLines(files, input)) yield place
  }
}
