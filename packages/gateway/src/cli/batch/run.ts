import type { Command } from 'commander'
import type { BatchFileOptions } from 'retrysafe/internal/batch/file/batch-file-options'
import { planBatchFile } from 'retrysafe/internal/batch/file/batch-plan'
import { BatchInputError } from 'retrysafe/internal/batch/file/input-check'
import type { BatchSummary } from 'retrysafe/internal/batch/file/run-batch-file'
import { runBatchFile } from 'retrysafe/internal/batch/file/run-batch-file'
import { createRetrysafe } from 'retrysafe/internal/retrysafe'
import { readStoreKind } from 'retrysafe/internal/stores/open'
import { Prices } from '../../ledger/prices.ts'
import { endSoon } from '../process.ts'
import { counted } from './figure-text.ts'
import { costOf, estimateCost, estimateTokens, tokensUsed } from './money.ts'
import { planText } from './plan-text.ts'
import { takeWarnings } from './process-warnings.ts'
import { registryFolder } from './registry.ts'
import { openReporter } from './reporting.ts'
import { addRunFlags, type RunSettings, readRunSettings } from './run-flags.ts'
import { openSender } from './sender.ts'
import { listenForSignals } from './stop-signals.ts'
import { hasSucceeded } from './summary-text.ts'

const help = `
IN.jsonl holds calls as OpenAI's Batch API takes them, a line each:
  {"custom_id":"doc-1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-5-mini","messages":[...]}}
Killed or stopped, the same command goes on where it was. Exit codes: 0 all done, 1 something failed or it stopped
early, 2 wrong usage or bad input, and then nothing was sent.

Examples:
  $ retrysafe batch run in.jsonl --out out.jsonl --base-url https://api.openai.com/v1 --api-key-env OPENAI_API_KEY
  $ retrysafe batch run in.jsonl --out out.jsonl --base-url http://127.0.0.1:8787/openai/v1 --api-key-env OPENAI_API_KEY
  $ retrysafe batch run in.jsonl --out out.jsonl --base-url https://api.openai.com/v1 --dry-run
  $ retrysafe batch run in.jsonl --out out.jsonl --base-url http://127.0.0.1:9090 --max-cost 25 --concurrency 64`

export function addBatchRunCommand(batch: Command): void {
  const command = batch
    .command('run')
    .description('send every call of a file once, and write their answers to another')
    .argument('<input>', 'calls in the format of OpenAI Batch, a line of JSON each')
    .allowExcessArguments(false)
  addRunFlags(command)
  command.addHelpText('after', help)
  command.action((input: string) => run(readRunSettings(command), input))
}

/** A batch looks at every page of its store, and none of them twice soon: its memory is not to grow with its length. */
const maxMappedBytes = 16_777_216

async function run(settings: RunSettings, input: string): Promise<void> {
  // Who reads along may leave; the batch goes on.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const sender = openSender({
    base: settings.base,
    credentials: { apiKey: settings.apiKey, given: settings.headers },
    connections: settings.concurrency,
    timeoutMs: settings.timeoutMs,
  })
  const safe = createRetrysafe({ store: settings.store, maxMappedBytes })
  const options = { ...fileOptions(settings, input), safe, send: sender.send, honoursKeys: sender.honoursKeys }
  try {
    await (settings.dryRun ? plan(options, settings.json) : runToItsEnd(options, settings))
  } catch (error) {
    if (!(error instanceof BatchInputError)) throw error
    refuse(error, input, settings.json)
  } finally {
    await sender.close()
    await safe.close()
  }
  endSoon()
}

async function runToItsEnd(options: BatchFileOptions, { store, json }: RunSettings): Promise<void> {
  const reporter = await openReporter(json)
  const signals = listenForSignals(reporter.tell)
  const giveWarningsBack = takeWarnings(reporter.tell)
  if (readStoreKind(store) === 'memory') {
    reporter.tell('memory: forgets everything when this process ends: a restart then knows only what is in --out')
  }
  let summary: BatchSummary
  try {
    const { progress: onProgress, warn: onWarning } = reporter
    summary = await runBatchFile({ ...options, signal: signals.signal, onProgress, onWarning })
  } catch (error) {
    reporter.abandon()
    throw error
  } finally {
    signals.close()
    giveWarningsBack()
  }
  reporter.end(summary)
  process.exitCode = hasSucceeded(summary) ? 0 : 1
}

async function plan(options: BatchFileOptions, json: boolean): Promise<void> {
  const planned = await planBatchFile(options)
  process.stdout.write(json ? `${JSON.stringify({ event: 'plan', ...planned })}\n` : planText(planned))
}

type SharedOptions = Omit<BatchFileOptions, 'safe' | 'send' | 'honoursKeys' | 'signal' | 'onProgress' | 'onWarning'>

function fileOptions(settings: RunSettings, input: string): SharedOptions {
  const { out, errors, batchId, requestsPerMinute, tokensPerMinute, maxUsd, limit } = settings
  const { order, concurrency, adaptive, retries, maxAttempts, onCrash, retentionMs, leaseMs, giveUpMs } = settings
  const prices = new Prices(settings.prices)
  return {
    input,
    output: out,
    ...(errors !== undefined && { errors }),
    ...(batchId !== undefined && { batchId }),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(tokensPerMinute !== undefined && { tokensPerMinute }),
    ...(maxUsd !== undefined && { maxUsd }),
    ...(limit !== undefined && { limit }),
    ...{ order, concurrency, adaptive, retries, maxAttempts, onCrash, retentionMs, leaseMs, giveUpMs },
    tokens: {
      estimate(line) {
        const { inputTokens, outputTokens } = estimateTokens(line)
        return inputTokens + outputTokens
      },
      used: tokensUsed,
    },
    money: { cost: answer => costOf(prices, answer), estimate: line => estimateCost(prices, line) },
    registry: registryFolder(settings.store),
  }
}

/** Every problem with its place, as a compiler says it. */
function refuse({ problems, problemCount }: BatchInputError, input: string, json: boolean): void {
  if (json) process.stdout.write(`${JSON.stringify({ event: 'refused', input, problemCount, problems })}\n`)
  const lines = problems.map(({ lineNumber, message }) => `${input}:${lineNumber}: ${message}`)
  const more = problemCount - problems.length
  const rest = more > 0 ? [`${input}: and ${counted(more, 'more problem')}`] : []
  process.stderr.write(`${[...lines, ...rest, 'retrysafe: nothing was sent'].join('\n')}\n`)
  process.exitCode = 2
}
