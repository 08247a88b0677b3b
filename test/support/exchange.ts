import { once } from 'node:events'
import {
  type Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http'

export interface Question {
  /** Default POST. */
  readonly method?: string
  /** A list of values goes out as so many lines. */
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
  /** Connections to use again. Default: one of its own. */
  readonly agent?: Agent
}

/** A whole answer. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly text: string
}

/** One request, on a connection of its own unless an agent says otherwise, byte for byte. Rejects when the answer does not come whole. */
export async function ask(url: string, question: Question = {}): Promise<Answer> {
  const response = await open(url, question)
  const pieces: Buffer[] = []
  for await (const piece of response) pieces.push(piece)
  const body = Buffer.concat(pieces)
  return { status: response.statusCode ?? 0, headers: response.headers, body, text: body.toString('utf8') }
}

/** The same up to the head of the answer; the body is still to be read. */
export async function open(
  url: string,
  { method = 'POST', headers = {}, body, signal, agent }: Question = {},
): Promise<IncomingMessage> {
  const sent = request(url, { method, headers, agent: agent ?? false, ...(signal && { signal }) })
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>
  sent.end(body)
  const [response] = await answered
  // What goes wrong from here on is told by reading the response.
  sent.on('error', () => {})
  return response
}

/** The body of an answer as JSON. */
export function jsonOf(answer: Answer): unknown {
  return JSON.parse(answer.text)
}

/** What a refusal of ours says of itself. */
export function problemOf(answer: Answer): { status: number; code: unknown; shouldRetry: unknown } {
  const problem = Object(jsonOf(answer))
  return { status: answer.status, code: problem.code, shouldRetry: answer.headers['x-should-retry'] }
}
