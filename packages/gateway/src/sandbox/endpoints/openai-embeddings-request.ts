import { parseJsonObject } from '../body.ts'
import { countWords } from '../words.ts'
import { invalid, notAnObject, readCount, readModel } from './prompt.ts'

/** What the sandbox needs to know of an embeddings request. */
export interface EmbeddingsRequest {
  readonly model: string
  readonly inputs: readonly Input[]
  readonly inputTokens: number
  readonly dimensions: number
  readonly base64: boolean
}

/** One input; a list of token numbers is its own JSON text. */
interface Input {
  readonly text: string
  readonly tokens: number
}

export type EmbeddingsReading =
  | { readonly kind: 'valid'; readonly request: EmbeddingsRequest }
  | { readonly kind: 'invalid'; readonly message: string; readonly param?: string }

/** OpenAI's own limits. */
const MAX_INPUTS = 2_048
const MAX_DIMENSIONS = 3_072
const DEFAULT_DIMENSIONS = 1_536

const INPUT_FORMS = `a string, a list of token numbers, or a list of 1 to ${MAX_INPUTS} of them, none empty`

/** Reads an embeddings request as strictly as OpenAI where a mistake would change the answer, and no further. */
export function readEmbeddingsRequest(body: Buffer): EmbeddingsReading {
  const fields = parseJsonObject(body)
  if (fields === undefined) return notAnObject
  const inputs = readInputs(fields['input'])
  if (inputs === undefined) return invalid('input', INPUT_FORMS)
  const model = readModel(fields['model'])
  if (model === undefined) return invalid('model', 'a string')
  const dimensions = readCount(fields['dimensions'], DEFAULT_DIMENSIONS)
  if (dimensions === undefined || dimensions > MAX_DIMENSIONS) {
    return invalid('dimensions', `a whole number from 1 to ${MAX_DIMENSIONS}`)
  }
  const format = fields['encoding_format'] ?? 'float'
  if (format !== 'float' && format !== 'base64') return invalid('encoding_format', "'float' or 'base64'")
  const inputTokens = inputs.reduce((sum, { tokens }) => sum + tokens, 0)
  return { kind: 'valid', request: { model, inputs, inputTokens, dimensions, base64: format === 'base64' } }
}

function readInputs(value: unknown): readonly Input[] | undefined {
  const one = readInput(value)
  if (one !== undefined) return [one]
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_INPUTS) return undefined
  const inputs = (value as readonly unknown[]).map(readInput)
  return inputs.every(input => input !== undefined) ? inputs : undefined
}

function readInput(value: unknown): Input | undefined {
  if (typeof value === 'string') return value === '' ? undefined : { text: value, tokens: countWords(value) }
  const isTokens = Array.isArray(value) && value.length > 0 && value.every(Number.isSafeInteger)
  return isTokens ? { text: JSON.stringify(value), tokens: value.length } : undefined
}
