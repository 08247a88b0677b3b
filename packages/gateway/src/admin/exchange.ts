import type { IncomingMessage, ServerResponse } from 'node:http'

/** A refusal of the admin API, with its status and a message that says what to do. */
export class AdminError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const maxBodyBytes = 65_536

/** The body as JSON. The content type is asked for, so that no form of another site can pass for it. */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new AdminError(415, 'send Content-Type: application/json')
  }
  const chunks: Buffer[] = []
  let lengthBytes = 0
  for await (const chunk of request) {
    lengthBytes += chunk.byteLength
    if (lengthBytes > maxBodyBytes) throw new AdminError(413, `the body is over ${maxBodyBytes} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new AdminError(400, 'the body is no JSON')
  }
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  if (response.headersSent) return void response.destroy()
  const body = `${JSON.stringify(value)}\n`
  const headers = {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  }
  response.writeHead(status, headers).end(body)
}
