import { readBody } from 'retrysafe/internal/adapters/node/incoming'
import { sendProblem } from 'retrysafe/internal/adapters/node/response'
import { processSurroundings } from 'retrysafe/internal/engine/surroundings'
import type { KeyNotice } from 'retrysafe/internal/server/caller'
import type { ProxyParts, RoutedRequest } from './parts.ts'
import { refuseSlow } from './refusal.ts'

/**
 * The whole body of a request that may be recorded. `undefined`: the client has left, or has been refused, also because
 * of a shutdown.
 *
 * @param notice what a refusal says of the key
 */
export async function takeBody(
  { config, exchanges }: ProxyParts,
  { request, response, head }: RoutedRequest,
  notice: KeyNotice | undefined,
): Promise<Buffer | undefined> {
  exchanges.uploading.set(response, notice)
  const { timers } = processSurroundings
  const body = await readBody(request, response, head.contentLength, config.maxRequestBytes, timers)
  exchanges.uploading.delete(response)
  if (response.headersSent) return undefined
  switch (body.kind) {
    case 'body':
      return body.bytes
    case 'left':
      return undefined
    case 'too slow':
      refuseSlow(response, notice)
      return undefined
    case 'too large': {
      const detail = `${body.lengthBytes} bytes > ${config.maxRequestBytes} (--max-request).`
      sendProblem(response, { code: 'BODY_TOO_LARGE', detail }, notice)
      return undefined
    }
  }
}
