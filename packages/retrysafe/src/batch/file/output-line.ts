import { hash } from 'node:crypto'
import { JsonReader } from '../../providers/json-reader.ts'
import { members, plain } from '../../providers/json-shape.ts'
import { memberOf } from '../../providers/json-value.ts'
import { selectWatcher } from '../../providers/select.ts'
import type { BatchAnswer, BatchRefusal } from './batch-line.ts'
import { findMember } from './json-ranges.ts'

const decoder = new TextDecoder()

/** Begins the id of every output line of a batch: who wrote it can be told from any line. */
export function batchTag(batchId: string): string {
  return `batch_req_${hash('sha256', batchId, 'hex').slice(0, 16)}`
}

/** Behind the tag stands of which item it is. */
export function outputId(tag: string, key: string): string {
  return tag + hash('sha256', key, 'hex').slice(0, 32)
}

/** A line in OpenAI's batch output format, its newline included. */
export function answerLine(id: string, customId: string, answer: BatchAnswer): string {
  return responseLine(id, customId, answer.status, answer.requestId, answer.body)
}

/** The line of an answer that came whole and was no success. */
export function refusalLine(id: string, customId: string, refusal: BatchRefusal): string {
  return responseLine(id, customId, refusal.status, refusal.requestId, refusal.body)
}

/** The line of an item that has no answer. */
export function errorLine(id: string, customId: string, code: string, message: string): string {
  return `${JSON.stringify({ id, custom_id: customId, response: null, error: { code, message } })}\n`
}

function responseLine(
  id: string,
  customId: string,
  status: number,
  requestId: string | undefined,
  body: string,
): string {
  const head = `{"id":${JSON.stringify(id)},"custom_id":${JSON.stringify(customId)},"response":{"status_code":${status}`
  return `${head},"request_id":${JSON.stringify(requestId ?? null)},"body":${onOneLine(body)}},"error":null}\n`
}

/** The JSON text as it came, on one line; what is no JSON, as a string. */
function onOneLine(body: string): string {
  try {
    JSON.parse(body)
  } catch {
    return JSON.stringify(body)
  }
  // JSON has no line breaks inside of strings.
  return /[\r\n]/.test(body) ? body.replace(/[\r\n]+/g, ' ') : body
}

/** What a line of an output file turned out to be. */
export type OutputLine =
  /** @param keyHash 32 hexadecimal characters of SHA-256 of the item's key */
  | { readonly kind: 'ours'; readonly keyHash: string; readonly answer: BatchAnswer | undefined }
  /** A line of another batch, or JSON of somebody else. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'unreadable' }

const usageMarks = { type: plain, usageMetadata: plain, prompt_eval_count: plain, eval_count: plain }
const shape = members({
  id: plain,
  response: members({ status_code: plain, request_id: plain, body: members(usageMarks) }),
})

/**
 * @param bytes a line without its newline
 * @param tag of `batchTag`
 */
export function readOutputLine(bytes: Uint8Array, tag: string): OutputLine {
  const reader = new JsonReader(shape)
  reader.writeAll(bytes)
  if (reader.state !== 'whole') return { kind: 'unreadable' }
  const id = memberOf(reader.value, 'id')
  if (typeof id !== 'string' || !id.startsWith(tag)) return { kind: 'foreign' }
  const keyHash = id.slice(tag.length)
  if (!/^[\da-f]{32}$/.test(keyHash)) return { kind: 'foreign' }
  return { kind: 'ours', keyHash, answer: readAnswer(bytes, memberOf(reader.value, 'response')) }
}

function readAnswer(bytes: Uint8Array, response: unknown): BatchAnswer | undefined {
  const status = memberOf(response, 'status_code')
  const requestId = memberOf(response, 'request_id')
  const responseAt = findMember(bytes, 0, 'response')
  const bodyAt = responseAt && findMember(bytes, responseAt.start, 'body')
  if (typeof status !== 'number' || bodyAt === undefined) return undefined
  const body = bytes.subarray(bodyAt.start, bodyAt.end)
  const watcher = selectWatcher({ path: pathOf(memberOf(response, 'body')), mediaType: 'application/json' })
  watcher.write(body)
  watcher.end(true)
  const { model, usage } = watcher.report
  return {
    status,
    requestId: typeof requestId === 'string' ? requestId : undefined,
    body: decoder.decode(body),
    ...(model !== undefined && { model }),
    ...(usage !== undefined && { usage }),
    replayed: false,
  }
}

/** The format has no room for the path that was asked; the answer's own members tell the APIs apart. */
function pathOf(body: unknown): string {
  if (memberOf(body, 'usageMetadata') !== undefined) return '/v1beta/models/x:generateContent'
  if (memberOf(body, 'prompt_eval_count') !== undefined || memberOf(body, 'eval_count') !== undefined)
    return '/api/chat'
  return memberOf(body, 'type') === 'message' ? '/v1/messages' : '/v1/chat/completions'
}
