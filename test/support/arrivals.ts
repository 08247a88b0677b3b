import type { IncomingMessage } from 'node:http'

/** The text of a body as it arrives. */
export interface Arrivals {
  /** Resolves as soon as `text` is there. Rejects when the body ends before. */
  until(text: string): Promise<void>
}

export function followArrivals(response: IncomingMessage): Arrivals {
  let seen = ''
  let isOver = false
  let look = (): void => {}
  response.setEncoding('utf8').on('data', (piece: string) => {
    seen += piece
    look()
  })
  response.once('close', () => {
    isOver = true
    look()
  })
  return {
    until: text =>
      new Promise((resolve, reject) => {
        look = () => {
          if (seen.includes(text)) resolve()
          else if (isOver) reject(new Error(`the body ended before ${JSON.stringify(text)}: ${JSON.stringify(seen)}`))
        }
        look()
      }),
  }
}
