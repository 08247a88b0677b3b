// A form of plain HTML, sent twice by an impatient finger: without a script, without a header.
import type { IncomingMessage } from 'node:http'
import express, { type Express, type Request } from 'express'
import { contentKey, type Retrysafe } from 'retrysafe'
import { idempotency } from 'retrysafe/express'

/** What a form has; two forms with the same members within the retention are one order. */
export interface Order {
  readonly item: string
  readonly amount: string
  /** A hidden field, drawn when the page was made: the same form bought again on purpose is another order. */
  readonly form: string
}

export function createApp(safe: Retrysafe, place: (order: Order) => Promise<number>): Express {
  const app = express()
  // The key is made of the parsed form; kept beside it, the bytes are what is compared.
  app.use(express.urlencoded({ extended: false, verify: keepBytes }))

  app.get('/', (_request, response) => {
    response.send(
      `<form method="post" action="/orders"><input name="item"><input name="amount">` +
        `<input type="hidden" name="form" value="${crypto.randomUUID()}"><button>Order</button></form>`,
    )
  })

  // In your app the session says whose form it is.
  const tenant = (request: Request): string | undefined => request.ip
  const once = idempotency({ safe, tenant, key: request => contentKey(request.body), retentionMs: 600_000 })
  app.post('/orders', once, async (request, response) => {
    response.type('text/plain').send(`order ${await place(request.body)}`)
  })
  return app
}

function keepBytes(request: IncomingMessage, _response: unknown, bytes: Buffer): void {
  Object.assign(request, { rawBody: bytes })
}
