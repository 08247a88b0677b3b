// A chat API in Express: a retry gets the same words, and the model runs once.
import express, { type Express, type Request } from 'express'
import type { Retrysafe } from 'retrysafe'
import { idempotency } from 'retrysafe/express'

export interface Turn {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

/** Your model: gives its words as they come. */
export type Model = (turns: readonly Turn[], signal: AbortSignal) => AsyncIterable<string>

/** In your app a session or a verified token says who it is. */
function userOf(request: Request): string | undefined {
  return request.get('x-user')
}

export function createApp(safe: Retrysafe, model: Model): Express {
  const app = express()
  // Before the body parser: bytes are compared, and the parser still finds them.
  app.use('/api', idempotency({ safe, keyless: 'require', tenant: userOf }), express.json())

  app.post('/api/messages', async (request, response) => {
    response.type('text/event-stream')
    // The model goes on when the browser closes: its words are recorded for the retry.
    for await (const word of model(request.body.messages, request.idempotency.signal)) {
      response.write(`data: ${JSON.stringify({ word })}\n\n`)
    }
    response.end('data: [DONE]\n\n')
  })
  return app
}
