import { isRecord, parseJsonObject } from '../body.ts'
import type { Call } from '../endpoint.ts'
import { countWords } from '../words.ts'
import {
  type Fields,
  invalid,
  type Message,
  notAnObject,
  type Prompt,
  type Reading,
  readCount,
  saidIn,
  textOf,
} from './prompt.ts'

/** Gemini's own limit on `candidateCount`. */
const MAX_CANDIDATES = 8

/** Reads a generateContent request as strictly as Gemini where a mistake would change the answer, and no further. */
export function readContentRequest({ body, name: model }: Call, stream: boolean): Reading<Prompt> {
  const fields = parseJsonObject(body)
  if (fields === undefined) return notAnObject
  const contents = readContents(fields['contents'])
  if (contents === undefined) return invalid('contents', "a list of at least one content that has a list of 'parts'")
  const system = member(fields, 'systemInstruction', 'system_instruction')
  const config = member(fields, 'generationConfig', 'generation_config')
  const settings = isRecord(config) ? config : {}
  const maxWords = readCount(member(settings, 'maxOutputTokens', 'max_output_tokens'), Number.POSITIVE_INFINITY)
  if (maxWords === undefined) return invalid('maxOutputTokens', 'a whole number from 1')
  const choices = readCount(member(settings, 'candidateCount', 'candidate_count'), 1)
  if (choices === undefined || choices > MAX_CANDIDATES) {
    return invalid('candidateCount', `a whole number from 1 to ${MAX_CANDIDATES}`)
  }
  const counted = [...contents, { text: isRecord(system) ? (textOf(system['parts']) ?? '') : '' }]
  const inputTokens = counted.reduce((sum, { text }) => sum + countWords(text), 0)
  return { kind: 'valid', prompt: { model, said: saidIn(contents), inputTokens, maxWords, choices, stream } }
}

/** A content without a role is the user's. */
function readContents(value: unknown): readonly Message[] | undefined {
  if (!Array.isArray(value) || value.length === 0) return undefined
  const contents: Message[] = []
  for (const item of value as readonly unknown[]) {
    const parts = isRecord(item) && Array.isArray(item['parts']) ? textOf(item['parts']) : undefined
    if (!isRecord(item) || parts === undefined) return undefined
    contents.push({ role: typeof item['role'] === 'string' ? item['role'] : 'user', text: parts })
  }
  return contents
}

/** Protobuf's JSON has two spellings of each name. @see https://protobuf.dev/programming-guides/json */
function member(fields: Fields, camel: string, snake: string): unknown {
  return fields[camel] ?? fields[snake]
}
