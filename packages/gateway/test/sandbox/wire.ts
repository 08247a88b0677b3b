import { type IncomingHttpHeaders, request } from 'node:http'
import type { Format } from './formats.ts'

/** One call as it was on the wire. */
export interface Exchange {
  readonly end: 'whole' | 'cut' | 'no answer'
  readonly status?: number | undefined
  readonly headers: IncomingHttpHeaders
  /** What Node's parser gave at a time: the chunks of HTTP, where each came by itself. */
  readonly pieces: readonly string[]
  /** All of it, as Latin-1. */
  readonly text: string
}

/** Calls a sandbox and tells how it ended; `see` is told what has come so far. */
export function call(
  url: string,
  { path, body, headers = {} }: Pick<Format, 'path' | 'body' | 'headers'>,
  extra: Readonly<Record<string, string>> = {},
  see: (text: string) => void = () => {},
): Promise<Exchange> {
  return new Promise(resolve => {
    const req = request(url + path, { method: 'POST', agent: false, headers: { ...headers, ...extra } })
    req.on('error', () => resolve({ end: 'no answer', headers: {}, pieces: [], text: '' }))
    req.on('response', res => {
      const pieces: string[] = []
      const settle = (end: 'whole' | 'cut'): void =>
        resolve({ end, status: res.statusCode, headers: res.headers, pieces, text: pieces.join('') })
      res.on('data', chunk => {
        pieces.push(chunk.toString('latin1'))
        see(pieces.join(''))
      })
      res.on('end', () => settle('whole'))
      res.on('error', () => settle('cut'))
    })
    req.end(body)
  })
}
