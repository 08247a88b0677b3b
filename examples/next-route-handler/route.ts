// app/api/orders/route.ts of a Next.js app: a double click, or a retry, makes one order.
import { createRetrysafe } from 'retrysafe'
import { idempotency, idempotencyOf } from 'retrysafe/server'

// One for the whole server; several servers share a store: redis://… or postgres://…
const safe = createRetrysafe({ store: process.env['STORE'] ?? 'memory:' })

interface Order {
  readonly item: string
  readonly amount: number
}

/** In your app: the user of the session. */
function userOf(request: Request): string | null {
  return request.headers.get('x-user')
}

/** The payment service takes keys of its own: ours gives it the same one at every attempt. */
async function charge(order: Order, key: string | undefined): Promise<string> {
  const answer = await fetch(`${process.env['PAYMENTS']}/charges`, {
    method: 'POST',
    body: JSON.stringify(order),
    headers: { 'Content-Type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': key }) },
  })
  if (!answer.ok) throw new Error(`the charge failed: ${answer.status}`)
  return ((await answer.json()) as { id: string }).id
}

export const POST = idempotency({ safe, tenant: userOf, keyless: 'require' }, async request => {
  const order = (await request.json()) as Order
  const id = await charge(order, idempotencyOf(request)?.derive('charge'))
  return Response.json({ charge: id, ...order }, { status: 201 })
})
