import { linkTo } from './exchange.ts'
import type { Piece, PieceReader } from './piece-reader.ts'
import type { Break } from './resume.ts'

/** The rest of a stream, and the attempts that it took. */
export interface Resumed {
  readonly pieces: PieceReader
  readonly attempts: number
}

export interface AnswerBodyTerms {
  readonly pieces: PieceReader
  /** Fires when the caller has left. */
  readonly signal: AbortSignal | undefined
  /** Goes on where it broke; `undefined`: it cannot. Rejects with what the reader is to be told. */
  readonly resume: ((broke: Break, signal: AbortSignal) => Promise<Resumed>) | undefined
}

/** The body of an answer as its caller reads it: one, whatever happens to the connections that it comes over. */
export function answerBody({ signal, resume, ...begin }: AnswerBodyTerms): ReadableStream<Uint8Array> {
  let { pieces } = begin
  /** Fires when nobody wants the rest: the caller has left, or reads no more. */
  const link = linkTo(signal)
  let offsetBytes = 0
  let attempts = 0
  let resumes = 0

  /** Bytes, or the end. */
  async function next(): Promise<Exclude<Piece, { kind: 'broken' }>> {
    for (;;) {
      const piece = await pieces.next()
      if (piece.kind === 'bytes') return piece
      if (piece.kind === 'end' && (resume === undefined || !endsByClose(pieces))) return piece
      if (link.signal.aborted) throw link.signal.reason
      const error = piece.kind === 'broken' ? piece.error : new TypeError('the connection ended within a stream')
      if (resume === undefined) throw error
      const resumed = await resume({ offsetBytes, attempts, resumes, error }, link.signal)
      pieces = resumed.pieces
      attempts = resumed.attempts
      resumes += 1
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const piece = await next().catch(error => ({ kind: 'broken', error }) as const)
        switch (piece.kind) {
          case 'bytes':
            offsetBytes += piece.bytes.byteLength
            attempts = 0
            return controller.enqueue(piece.bytes)
          case 'end':
            link.close()
            return controller.close()
          case 'broken':
            link.close()
            return controller.error(link.signal.aborted ? link.signal.reason : piece.error)
        }
      },
      cancel(reason) {
        link.abort(reason)
        link.close()
        pieces.cancel(reason)
      },
    },
    // Nothing is taken before it is asked for.
    { highWaterMark: 0 },
  )
}

/**
 * Node 20 takes the cut of such a connection for the end of the body, unless a length tells: then the end is asked for.
 * Elsewhere nobody sees this header.
 */
function endsByClose({ exchange }: PieceReader): boolean {
  const { headers } = exchange.response
  return headers.get('connection') === 'close' && !headers.has('content-length')
}
