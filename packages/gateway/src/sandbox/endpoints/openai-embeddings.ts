import { createHash } from 'node:crypto'
import { jsonAnswer } from '../answer.ts'
import type { Endpoint } from '../endpoint.ts'
import { errorAnswer, openaiErrors } from '../error-format.ts'
import { type EmbeddingsRequest, readEmbeddingsRequest } from './openai-embeddings-request.ts'
import { openaiRequestId } from './openai-head.ts'

/** A power of two: multiples of its inverse are the same number in float32, which base64 carries, and in JSON. */
const SCALE = 1_024

/**
 * OpenAI's embeddings, as lists of numbers or as base64. The first number of a vector is the run / 1024, so that two
 * runs can be told apart; the others depend on the input alone.
 * @see https://platform.openai.com/docs/api-reference/embeddings
 */
export const openaiEmbeddingsEndpoint: Endpoint = {
  title: 'POST /v1/embeddings',
  about: 'OpenAI embeddings, "encoding_format" float or base64; "dimensions", default 1536',
  path: /^\/v1\/embeddings$/,
  errors: openaiErrors,
  work: ({ body }, next) => {
    const reading = readEmbeddingsRequest(body)
    if (reading.kind === 'invalid') return { kind: 'rejected', answer: errorAnswer({ ...reading, status: 400 }) }
    const { request } = reading
    const data = request.inputs.map((input, index) => ({
      object: 'embedding',
      index,
      embedding: encode(vectorOf(input.text, next.run, request.dimensions), request),
    }))
    const usage = { prompt_tokens: request.inputTokens, total_tokens: request.inputTokens }
    return {
      kind: 'ran',
      usage: { inputTokens: request.inputTokens, outputTokens: 0 },
      answer: jsonAnswer(200, { object: 'list', data, model: request.model, usage }, openaiRequestId(next.run)),
    }
  },
}

function vectorOf(text: string, run: number, dimensions: number): Float32Array {
  const digest = createHash('sha256').update(text).digest()
  const vector = Float32Array.from({ length: dimensions }, (_, at) => ((digest[at % digest.length] ?? 0) - 128) / SCALE)
  vector[0] = run / SCALE
  return vector
}

/** Base64 is of float32, little-endian; OpenAI's SDK asks for it unless told otherwise. */
function encode(vector: Float32Array, { base64 }: EmbeddingsRequest): string | number[] {
  if (!base64) return [...vector]
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [at, number] of vector.entries()) bytes.writeFloatLE(number, at * 4)
  return bytes.toString('base64')
}
