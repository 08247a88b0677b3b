import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { scripts } from 'retrysafe/internal/stores/redis/embedded-lua'
import type { Place } from '../place.ts'
import { waitUntil } from './condition.ts'

/** Hears of every command that a server executes (MONITOR), in order. */
export interface Monitor {
  /**
   * The commands that came over connections while `action` ran; a script of ours as its name, another command as its own
   * in capitals. What a script does inside is not one.
   */
  during(action: () => Promise<unknown>): Promise<string[]>
  stop(): void
}

const commandLine = /^\+\S+ \[\d+ (?<origin>\S+)\] "(?<command>[^"]*)"(?: "(?<first>[^"]*)")?/
const nameOfScript = new Map(
  Object.entries(scripts).map(([name, text]) => [createHash('sha1').update(text).digest('hex'), name]),
)

/** Begins to listen to a server without a password and without TLS. */
export async function startMonitor({ host, port }: Place): Promise<Monitor> {
  const listener = connect(port, host)
  const marker = connect(port, host)
  await Promise.all([once(listener, 'connect'), once(marker, 'connect')])
  marker.resume()
  let heard = ''
  listener.setEncoding('latin1').on('data', (piece: string) => {
    heard += piece
  })
  listener.write('MONITOR\r\n')
  await waitUntil('MONITOR is on', async () => heard.startsWith('+OK\r\n'))
  let marks = 0

  /** All that was executed before is heard: the server tells of it in order. */
  async function mark(): Promise<void> {
    const word = `mark-${++marks}`
    marker.write(`ECHO ${word}\r\n`)
    await waitUntil('the mark is heard', async () => heard.includes(`"ECHO" "${word}"\r\n`))
  }

  return {
    async during(action) {
      await mark()
      heard = ''
      await action()
      await mark()
      const own = `${marker.localAddress}:${marker.localPort}`
      return heard.split('\r\n').flatMap(line => nameCommand(line, own) ?? [])
    },
    stop: () => endAll([listener, marker]),
  }
}

function nameCommand(line: string, ownOrigin: string): string | undefined {
  const { origin, command = '', first = '' } = commandLine.exec(line)?.groups ?? {}
  if (origin === undefined || origin === 'lua' || origin === ownOrigin) return undefined
  const name = command.toUpperCase()
  return name === 'EVALSHA' ? (nameOfScript.get(first) ?? `unknown script ${first}`) : name
}

function endAll(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy()
}
