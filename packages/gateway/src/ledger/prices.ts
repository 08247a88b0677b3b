import { readFileSync, statSync } from 'node:fs'
import { FlagError } from '../config/flag.ts'

/** USD per million tokens. A class of input without a price of its own costs what input costs. */
export interface Price {
  readonly input: number
  readonly output: number
  readonly cachedInput?: number
  readonly cacheWrite?: number
}

/** Tokens, as they are priced: `inputTokens` is all input, what was read from a cache and written to one included. */
export interface PricedTokens {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteTokens: number
  readonly outputTokens: number
}

/** One file of prices. */
export interface PriceList {
  /** The day on which its prices were known to hold: YYYY-MM-DD. */
  readonly asOf: string
  /** By the model's exact id. */
  readonly models: ReadonlyMap<string, Price>
}

const maxFileBytes = 4_194_304
const shipped = new URL('../../prices.json', import.meta.url)
const members = ['input', 'output', 'cachedInput', 'cacheWrite'] as const

/**
 * What stands behind a model's id and changes neither model nor price: `-2024-08-06`, `-20250929`, `@20250929`, `-001`,
 * `-latest`. A dated model whose price differs stands in the table under its whole id.
 */
const suffix = /(?:-\d{4}-\d{2}-\d{2}|[-@]\d{8}|-00\d|-latest)$/

/** What models cost. */
export class Prices {
  readonly #shipped: PriceList
  readonly #own: PriceList | undefined

  /** @param own beats the shipped table, model by model */
  constructor(own?: PriceList) {
    this.#shipped = readPriceList(readFileSync(shipped, 'utf8'))
    this.#own = own
  }

  /** The day of the shipped table. */
  get asOf(): string {
    return this.#shipped.asOf
  }

  /** The day of the operator's own table. */
  get ownAsOf(): string | undefined {
    return this.#own?.asOf
  }

  /** By the exact id, else by the id without a dated suffix. `undefined`: nobody here knows. */
  of(model: string): Price | undefined {
    const id = model.replace(/^models\//, '')
    return this.#exact(id) ?? (suffix.test(id) ? this.#exact(id.replace(suffix, '')) : undefined)
  }

  /** In USD; `undefined` for an unknown model: that is no zero. */
  cost(model: string, tokens: PricedTokens): number | undefined {
    const price = this.of(model)
    if (price === undefined) return undefined
    const { input, output, cachedInput = input, cacheWrite = input } = price
    const { inputTokens, cachedInputTokens, cacheWriteTokens, outputTokens } = tokens
    const plainTokens = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens)
    const microUsd =
      plainTokens * input + cachedInputTokens * cachedInput + cacheWriteTokens * cacheWrite + outputTokens * output
    return microUsd / 1e6
  }

  #exact(id: string): Price | undefined {
    return this.#own?.models.get(id) ?? this.#shipped.models.get(id)
  }
}

/** The file of `--prices`. Throws a `FlagError` that says what is wrong, and where. */
export function readPriceFile(path: string): PriceList {
  let text: string
  try {
    if (statSync(path).size > maxFileBytes) throw new FlagError(`it takes a file of at most ${maxFileBytes} bytes`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof FlagError) throw error
    throw new FlagError(`it cannot be read: ${Reflect.get(Object(error), 'code') ?? String(error)}`)
  }
  return readPriceList(text)
}

/** Reads `{"asOf":"YYYY-MM-DD","providers":{NAME:{MODEL:{"input":1,"output":2}}}}`; a `note` may stand beside. */
export function readPriceList(text: string): PriceList {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new FlagError('it takes JSON, and this is none')
  }
  const file = objectAt(value, 'the file')
  refuseUnknown(file, ['asOf', 'note', 'providers'], 'the file')
  const { asOf } = file
  if (typeof asOf !== 'string' || !isDay(asOf)) throw new FlagError('asOf: it takes the day of its prices, YYYY-MM-DD')
  const models = new Map<string, Price>()
  for (const [provider, priced] of Object.entries(objectAt(file.providers, 'providers'))) {
    for (const [model, price] of Object.entries(objectAt(priced, `providers.${provider}`))) {
      if (models.has(model)) throw new FlagError(`providers.${provider}: ${model} has two prices`)
      models.set(model, readPrice(price, `providers.${provider}.${model}`))
    }
  }
  return { asOf, models }
}

function readPrice(value: unknown, path: string): Price {
  const price = objectAt(value, path)
  refuseUnknown(price, members, path)
  for (const member of members) {
    const usd = price[member]
    const mayLack = member === 'cachedInput' || member === 'cacheWrite'
    if (usd === undefined && mayLack) continue
    if (typeof usd !== 'number' || !(usd >= 0 && usd <= 1e6)) {
      throw new FlagError(`${path}.${member}: it takes USD per million tokens, 0 to 1000000`)
    }
  }
  return price as unknown as Price
}

function objectAt(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FlagError(`${path}: it takes an object`)
  }
  return value as Record<string, unknown>
}

function refuseUnknown(value: Record<string, unknown>, known: readonly string[], path: string): void {
  const unknown = Object.keys(value).find(member => !known.includes(member))
  if (unknown !== undefined) throw new FlagError(`${path}.${unknown}: there is no such member`)
}

function isDay(text: string): boolean {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(text) : Number.NaN
  // What a month does not have is read as a day of the next.
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)
}
