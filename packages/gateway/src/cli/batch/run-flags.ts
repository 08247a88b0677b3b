import { type Command, Option } from 'commander'
import { readPath, readStoreKind } from 'retrysafe/internal/stores/open'
import { type Flag, FlagError, fallbackOf, readFlag } from '../../config/flag.ts'
import { countBetween, durationBetween, oneOf, text } from '../../config/readers.ts'
import { invalid } from '../../config/settings.ts'
import { type PriceList, readPriceFile } from '../../ledger/prices.ts'
import { combineHeaders, type GivenHeader, readApiKey, readHeader } from './call-headers.ts'
import { type BaseUrl, readBaseUrl } from './join-url.ts'

/** What `batch run` was told. */
export interface RunSettings {
  readonly out: string
  readonly base: BaseUrl
  readonly errors: string | undefined
  readonly batchId: string | undefined
  readonly order: 'completion' | 'input'
  readonly concurrency: number
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  readonly retries: number
  readonly maxAttempts: number
  readonly onCrash: 'rerun' | 'fail'
  readonly retentionMs: number
  readonly leaseMs: number
  readonly store: string
  readonly timeoutMs: number
  readonly giveUpMs: number
  readonly maxUsd: number | undefined
  readonly prices: PriceList | undefined
  readonly limit: number | undefined
  readonly apiKey: string | undefined
  readonly headers: readonly GivenHeader[]
  readonly adaptive: boolean
  readonly dryRun: boolean
  readonly json: boolean
}

type Switch = 'adaptive' | 'dryRun' | 'json'

/** What of a batch's command holds the store of its outcomes. */
export const storeFlag: Flag<string> = {
  flag: '--store <url>',
  help: 'where outcomes are kept, so that a restart pays nothing twice: as for serve, also RETRYSAFE_STORE',
  read: readStore,
  fallback: 'lmdb:./retrysafe-data',
}

const flags: { readonly [Member in keyof Omit<RunSettings, Switch>]: Flag } = {
  out: { flag: '--out <file>', help: 'outputs, a line each, in the format of OpenAI Batch; required', read: text },
  base: {
    flag: '--base-url <url>',
    help: "where calls go: a provider or a gateway, such as http://127.0.0.1:8787/v1; a line's /v1 is not said twice; required",
    read: readBaseUrl,
  },
  errors: {
    flag: '--errors <file>',
    help: 'items that failed; default: OUT.errors.jsonl beside OUT.jsonl',
    read: text,
  },
  batchId: {
    flag: '--batch-id <id>',
    help: 'name of the batch, part of every key; default: the path of --out',
    read: readBatchId,
  },
  order: {
    flag: '--order <order>',
    help: 'of the outputs: completion, or input (put in order at the end)',
    read: oneOf('completion', 'input'),
    fallback: 'completion',
  },
  concurrency: {
    flag: '--concurrency <n>',
    help: 'most calls at once; fewer while the upstream throttles',
    read: countBetween(1, 10_000),
    fallback: '16',
  },
  requestsPerMinute: {
    flag: '--requests-per-minute <n>',
    help: 'most calls in any minute; default: none',
    read: countBetween(1, 10_000_000),
  },
  tokensPerMinute: {
    flag: '--tokens-per-minute <n>',
    help: 'most tokens in any minute, estimated before and counted after; default: none',
    read: countBetween(1, 9_999_999_999),
  },
  retries: {
    flag: '--retries <n>',
    help: 'tries of an item after its first; then it is set aside in --errors',
    read: countBetween(0, 100),
    fallback: '4',
  },
  maxAttempts: {
    flag: '--max-attempts <n>',
    help: 'runs of an item that may die with nobody knowing whether it was paid, over all restarts',
    read: countBetween(1, 100),
    fallback: '10',
  },
  onCrash: {
    flag: '--on-crash <policy>',
    help: 'an item that was sent when the runner died: rerun, or fail (set it aside)',
    read: oneOf('rerun', 'fail'),
    fallback: 'rerun',
  },
  retentionMs: {
    flag: '--retention <duration>',
    help: 'how long the store keeps an outcome, from its completion',
    read: durationBetween(1_000, 2_592_000_000, '1s to 30d'),
    fallback: '30d',
  },
  leaseMs: {
    flag: '--lease <duration>',
    help: 'how long an item stays taken when its runner dies on another machine',
    read: durationBetween(1_000, 3_600_000, '1s to 1h'),
    fallback: '30s',
  },
  store: storeFlag,
  timeoutMs: {
    flag: '--timeout <duration>',
    help: 'how long an answer may be silent',
    read: durationBetween(1_000, 86_400_000, '1s to 24h'),
    fallback: '10m',
  },
  giveUpMs: {
    flag: '--give-up-after <duration>',
    help: 'how long nothing may answer before the batch ends',
    read: durationBetween(1_000, 86_400_000, '1s to 24h'),
    fallback: '10m',
  },
  maxUsd: {
    flag: '--max-cost <usd>',
    help: 'stop before the batch, earlier runs of it included, has cost more; by list prices',
    read: readUsd,
  },
  prices: {
    flag: '--prices <file>',
    help: 'JSON with prices of your own, by model; they beat the shipped ones',
    read: readPriceFile,
    isPath: true,
  },
  limit: { flag: '--limit <n>', help: 'only so many items in this run', read: countBetween(1, 2_000_000_000) },
  apiKey: {
    flag: '--api-key-env <name>',
    help: 'variable that holds the API key: sent as a bearer token, or as Anthropic and Gemini want it',
    read: name => readApiKey(name, process.env),
  },
  headers: {
    flag: '--header <header>',
    help: "'NAME: VALUE', sent with every call; repeatable",
    read: readHeader,
    combine: combineHeaders as (values: readonly unknown[]) => unknown,
    repeatable: true,
    mayHoldSecret: true,
  },
}

/** Values are read by `readRunSettings` and not by commander, whose errors show them. */
export function addRunFlags(command: Command): void {
  for (const flag of Object.values<Flag>(flags)) addFlag(command, flag)
  command
    .addOption(new Option('--no-adaptive', 'always as many calls at once as --concurrency says'))
    .addOption(new Option('--dry-run', 'say what would be sent and what it may cost; sends and writes nothing'))
    .addOption(new Option('--json', 'progress and summary as lines of JSON on stdout'))
}

export function addFlag(command: Command, flag: Flag): void {
  const shown = flag.fallback === undefined ? '' : `; default ${flag.fallback}`
  const option = new Option(flag.flag, flag.help + shown)
  if (flag === storeFlag) option.env('RETRYSAFE_STORE')
  if (flag.repeatable) option.argParser((value, all) => [...(Array.isArray(all) ? all : []), value])
  command.addOption(option)
}

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the flag */
export function readRunSettings(command: Command): RunSettings {
  const read = Object.entries<Flag>(flags).map(([member, flag]) => [member, settingOf(command, flag)])
  const settings = Object.fromEntries(read) as Omit<RunSettings, Switch>
  if (settings.out === undefined) throw invalid('--out FILE is missing: it says where outputs go')
  if (settings.base === undefined) {
    throw invalid('--base-url URL is missing: it says where calls go, such as https://api.openai.com/v1')
  }
  const { adaptive = true, dryRun = false, json = false } = command.opts<Partial<Record<Switch, boolean>>>()
  return { ...settings, adaptive, dryRun, json }
}

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the flag */
export function settingOf(command: Command, flag: Flag): unknown {
  const attribute = new Option(flag.flag).attributeName()
  const given: unknown = command.getOptionValue(attribute)
  // An empty variable says nothing.
  if (given === undefined || (given === '' && command.getOptionValueSource(attribute) === 'env'))
    return fallbackOf(flag)
  try {
    return readFlag(flag, (Array.isArray(given) ? given : [given]).map(String))
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    throw invalid(`${flag.flag.split(' ')[0]}: ${error.message}`)
  }
}

function readStore(value: string): string {
  const url = text(value)
  // Its folder is also where batches are found by their ids.
  if (readStoreKind(url) === 'lmdb') readPath(url)
  return url
}

function readBatchId(value: string): string {
  if (value === '' || value.length > 1_000 || /[\p{Surrogate}\p{Cc}]/u.test(value)) {
    throw new FlagError('it takes 1 to 1000 characters')
  }
  return value
}

function readUsd(value: string): number {
  const usd = /^\$?\d{1,9}(\.\d{1,6})?$/.test(value) ? Number(value.replace('$', '')) : Number.NaN
  if (!(usd > 0)) throw new FlagError('it takes US dollars such as 25 or 0.50')
  return usd
}
