import { RetrysafeError } from '../engine/errors.ts'
import { headerNames } from '../protocol/headers.ts'
import type { Exchange } from './exchange.ts'
import { JsonEnd } from './json-end.ts'
import type { FetchRules } from './options.ts'
import { PieceReader } from './piece-reader.ts'

/** A longer answer is delivered as it comes. */
const plainBytes = 1_048_576

/**
 * Takes in what is one JSON object: nobody can use a part of it, so it comes whole, or its attempt has failed. Of any
 * other answer, what has been taken in comes first.
 *
 * Rejects where it broke off.
 */
export async function takePlain(rules: FetchRules, exchange: Exchange): Promise<PieceReader> {
  const pieces = new PieceReader(exchange, rules)
  if (!isPlain(exchange.response)) return pieces
  const end = new JsonEnd()
  let lengthBytes = 0
  const taken: Uint8Array[] = []
  while (end.state !== 'other' && lengthBytes <= plainBytes) {
    const piece = await pieces.next()
    switch (piece.kind) {
      case 'bytes':
        end.write(piece.bytes)
        lengthBytes += piece.bytes.byteLength
        taken.push(piece.bytes)
        break
      case 'end':
        if (end.state === 'open' && lengthBytes > 0)
          throw new RetrysafeError(
            'UPSTREAM_UNREACHABLE',
            `the answer ended after ${lengthBytes} bytes, within its JSON`,
          )
        pieces.putBack(taken)
        return pieces
      case 'broken':
        throw piece.error
    }
  }
  pieces.putBack(taken)
  return pieces
}

function isPlain({ ok, headers, body }: Response): boolean {
  const isJson = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(headers.get('content-type') ?? '')
  return ok && body !== null && isJson && !headers.has(headerNames.stream)
}
