import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import type { ContentfulStatusCode, StatusCode } from 'hono/utils/http-status'
import { idempotency } from '../../../packages/retrysafe/src/adapters/hono.ts'
import type { CallContext, HeaderLines, Script } from '../script.ts'
import { type Built, optionsFor, type Setting } from './adapter.ts'
import { asBody, streamOf } from './fetch.ts'

export function buildHono(setting: Setting): Built {
  const { begin, outerHeader } = setting
  const app = new Hono()
  if (outerHeader !== undefined) {
    app.use(async (c, next) => {
      c.header(...outerHeader())
      await next()
    })
  }
  if (setting.safe !== undefined) app.use(idempotency(optionsFor<Context>(setting, c => name => c.req.header(name))))
  app.all('*', async c => {
    const context: CallContext | undefined = c.get('idempotency')
    return play(c, await begin(await c.req.text(), context))
  })
  app.onError((_error, c) => c.text('failed', 500))
  return { listener: getRequestListener(app.fetch) }
}

/** In the idioms of Hono. */
function play(c: Context, script: Script): Response | Promise<Response> {
  switch (script.kind) {
    case 'json':
      setHead(c, script)
      return c.json(script.value as object)
    case 'whole':
      setHead(c, script, 'text/plain')
      return c.body(asBody(script.body))
    case 'empty':
      setHead(c, script)
      return c.body(null)
    case 'redirect':
      return c.redirect(script.to, 303)
    case 'stream':
      setHead(c, script, 'text/plain')
      return c.body(streamOf(script.pieces))
    case 'silent':
      return new Promise(() => {})
    case 'forgotten':
      return undefined as never
    case 'twice':
    case 'late write':
      throw new Error(`a handler of Hono cannot play ${script.kind}`)
  }
}

function setHead(
  c: Context,
  { status = 200, headers = [] }: { status?: number; headers?: HeaderLines },
  mediaType?: string,
): void {
  c.status(status as StatusCode as ContentfulStatusCode)
  if (mediaType !== undefined) c.header('Content-Type', mediaType)
  for (const [name, value] of headers) c.header(name, value, { append: name.toLowerCase() === 'set-cookie' })
}
