import { JsonReader } from 'retrysafe/internal/providers/json-reader'
import { members, plain } from 'retrysafe/internal/providers/json-shape'
import { memberOf } from 'retrysafe/internal/providers/json-value'

/** A longer body is not read for the model's name alone: it is its provider's to say. */
const maxBytes = 131_072
const shape = members({ model: plain })

/** The model that a request asks for, where its answer said none. Gemini's stands in the path. */
export function requestModel(path: string, body: Uint8Array): string | undefined {
  const inPath = /\/models\/([^/:]{1,80}):/.exec(path)?.[1]
  if (inPath !== undefined) return inPath
  if (body.byteLength === 0 || body.byteLength > maxBytes) return undefined
  const reader = new JsonReader(shape)
  reader.writeAll(body)
  const model = memberOf(reader.value, 'model')
  return typeof model === 'string' && model !== '' ? model : undefined
}
