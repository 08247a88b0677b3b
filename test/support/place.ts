/** Where a server listens. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** The URL of a server, with another place in it. */
export function moveUrl(url: string, { host, port }: Place): string {
  const moved = new URL(url)
  moved.hostname = host
  moved.port = String(port)
  return moved.href
}
