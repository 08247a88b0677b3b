import { createRequire } from 'node:module'
import { pipeline, Readable } from 'node:stream'
import express5, { type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import { idempotency } from '../../../packages/retrysafe/src/adapters/express.ts'
import type { CallContext, Script } from '../script.ts'
import { type Built, optionsFor, type Setting } from './adapter.ts'
import { setHead } from './node.ts'

// An alias of npm's has no types of its own.
const express4 = createRequire(import.meta.url)('express-4') as typeof express5

export const buildExpress5 = (setting: Setting): Built => build(express5, setting)
export const buildExpress4 = (setting: Setting): Built => build(express4, setting)

function build(express: typeof express5, setting: Setting): Built {
  const { begin, outerHeader } = setting
  const app = express()
  const limit = '64mb'
  if (outerHeader !== undefined) {
    app.use((_request, response, next) => {
      response.set(...outerHeader())
      next()
    })
  }
  if (setting.parsedBefore) app.use(express.json())
  if (setting.safe !== undefined)
    app.use(
      idempotency(
        optionsFor<Request>(
          setting,
          ({ headers }) =>
            name =>
              headers[name]?.toString(),
        ),
      ),
    )
  if (!setting.parsedBefore) app.use(express.raw({ type: () => true, limit }))
  const handle: RequestHandler = async (request, response) => {
    const context: CallContext | undefined = request.idempotency
    play(response, await begin(textOf(request.body), context))
  }
  // Express 4 does not wait for promises.
  app.use((request, response, next) => void Promise.resolve(handle(request, response, next)).catch(next))
  app.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error)
    response.status(500).send('failed')
  })
  return { listener: app }
}

function textOf(body: unknown): string {
  if (body instanceof Uint8Array) return Buffer.from(body).toString()
  return body === undefined ? '' : JSON.stringify(body)
}

/** In the idioms of Express. */
function play(response: Response, script: Script): void {
  switch (script.kind) {
    case 'json':
      setHead(response, script, undefined)
      return void response.json(script.value)
    case 'whole':
      setHead(response, script, 'text/plain')
      return void response.send(typeof script.body === 'string' ? script.body : Buffer.from(script.body))
    case 'empty':
      setHead(response, script, undefined)
      return void response.end()
    case 'redirect':
      return response.redirect(303, script.to)
    case 'stream':
      setHead(response, script, 'text/plain')
      return void pipeline(Readable.from(script.pieces), response, () => {})
    case 'silent':
    case 'forgotten':
      return
    case 'twice':
      response.type('text/plain').send(script.first)
      return void response.status(201).send(script.second)
    case 'late write':
      response.on('error', () => {})
      response.type('text/plain').send(script.body)
      return void response.write(script.late)
  }
}
