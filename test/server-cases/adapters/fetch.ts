import { getRequestListener } from '@hono/node-server'
import { type FetchHandler, idempotency, idempotencyOf } from '../../../packages/retrysafe/src/server/index.ts'
import type { HeaderLines, Piece, Script } from '../script.ts'
import { type Built, optionsFor, type Setting } from './adapter.ts'

/** A bare Fetch handler on node:http. */
export function buildFetch(setting: Setting): Built {
  const { begin, outerHeader } = setting
  const handle: FetchHandler = async request => respond(await begin(await request.text(), idempotencyOf(request)))
  const read =
    ({ headers }: Request) =>
    (name: string) =>
      headers.get(name) ?? undefined
  const served = setting.safe === undefined ? handle : idempotency(optionsFor(setting, read), handle)
  const fetchAnswer = async (request: Request): Promise<Response> => {
    const response = await served(request)
    if (outerHeader !== undefined) response.headers.set(...outerHeader())
    return response
  }
  const errorHandler = (): Response => new Response('failed', { status: 500 })
  return { listener: getRequestListener(fetchAnswer, { errorHandler }) }
}

function respond(script: Script): Response | Promise<Response> {
  switch (script.kind) {
    case 'json':
      return Response.json(script.value, { status: script.status ?? 200, headers: headersOf(script.headers) })
    case 'whole':
      return new Response(asBody(script.body), headOf(script))
    case 'empty':
      return new Response(null, { status: script.status ?? 200, headers: headersOf(script.headers) })
    case 'redirect':
      return new Response(null, { status: 303, headers: { Location: script.to } })
    case 'stream':
      return new Response(streamOf(script.pieces), headOf(script))
    case 'silent':
      return new Promise(() => {})
    case 'forgotten':
      return undefined as never
    case 'twice':
    case 'late write':
      throw new Error(`a Fetch handler cannot play ${script.kind}`)
  }
}

function headOf({ status = 200, headers }: { status?: number; headers?: HeaderLines }): ResponseInit {
  const all = headersOf(headers)
  if (!all.has('content-type')) all.set('Content-Type', 'text/plain')
  return { status, headers: all }
}

export function headersOf(lines: HeaderLines = []): Headers {
  const headers = new Headers()
  for (const [name, value] of lines) headers.append(name, value)
  return headers
}

export function asBody(piece: Piece): string | Uint8Array<ArrayBuffer> {
  return typeof piece === 'string' ? piece : new Uint8Array(piece)
}

export function streamOf(pieces: AsyncIterable<Piece>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = pieces[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(new Uint8Array(Buffer.from(value as string)))
    },
  })
}
