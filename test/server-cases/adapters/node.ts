import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { idempotency, idempotencyOf } from '../../../packages/retrysafe/src/adapters/node/index.ts'
import type { HeaderLines, Script } from '../script.ts'
import { type Built, optionsFor, type Setting } from './adapter.ts'

export function buildNode(setting: Setting): Built {
  const { outerHeader } = setting
  const handle = handlerOf(setting)
  const listener = setting.safe === undefined ? guarded(handle) : idempotency(optionsFor(setting, readHeader), handle)
  return {
    listener(request, response) {
      if (outerHeader !== undefined) response.setHeader(...outerHeader())
      listener(request, response)
    },
  }
}

/** The test's handler. */
export function handlerOf({ begin }: Pick<Setting, 'begin'>): Handle {
  return async (request, response) => {
    const body = await readText(request)
    await play(response, await begin(body, idempotencyOf(request)))
  }
}

export function readHeader({ headers }: IncomingMessage): (name: string) => string | undefined {
  return name => headers[name]?.toString()
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/** What every careful listener of node:http has around it. */
export function guarded(handle: Handle): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    response.on('error', () => {})
    handle(request, response).catch(() => {
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end('failed')
    })
  }
}

/** In the idioms of node:http. */
export async function play(response: ServerResponse, script: Script): Promise<void> {
  switch (script.kind) {
    case 'json':
      setHead(response, script, 'application/json')
      return void response.end(JSON.stringify(script.value))
    case 'whole':
      setHead(response, script, 'text/plain')
      return void response.end(script.body)
    case 'empty':
      setHead(response, script, undefined)
      return void response.end()
    case 'redirect':
      return void response.writeHead(303, { Location: script.to }).end()
    case 'stream':
      setHead(response, script, 'text/plain')
      return pipeline(Readable.from(script.pieces), response)
    case 'silent':
      return new Promise(() => {})
    case 'forgotten':
      return
    case 'twice':
      response.end(script.first)
      return void response.writeHead(201).end(script.second)
    case 'late write':
      response.end(script.body)
      return void response.write(script.late)
  }
}

/** Lines of one name stay apart. */
export function setHead(
  response: ServerResponse,
  { status = 200, headers = [] }: { status?: number; headers?: HeaderLines },
  mediaType: string | undefined,
): void {
  response.statusCode = status
  if (mediaType !== undefined) response.setHeader('Content-Type', mediaType)
  for (const [name, value] of headers) {
    if (name.toLowerCase() === 'content-type') response.setHeader(name, value)
    else response.appendHeader(name, value)
  }
}
