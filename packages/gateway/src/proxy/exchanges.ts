import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isRefused } from 'retrysafe/internal/adapters/node/response'
import type { KeyNotice } from 'retrysafe/internal/server/caller'

/** The answers that are under way. */
export class Exchanges {
  /** Those whose request is still being taken in, with what a refusal says of their key: nothing has begun for them. */
  readonly uploading: Map<ServerResponse, KeyNotice | undefined> = new Map()
  readonly #open = new Set<object>()
  readonly #bySocket = new WeakMap<Socket, Set<ServerResponse>>()
  #idlers: (() => void)[] = []

  /** From here on the answer ends in `close`, whatever becomes of its connection. */
  begin(socket: Socket, response: ServerResponse): void {
    const responses = this.#bySocket.get(socket) ?? this.#watch(socket)
    this.#open.add(response)
    responses.add(response)
    response.on('close', () => {
      responses.delete(response)
      this.#end(response)
    })
  }

  /** Work that goes on without a client, until what is returned is called. */
  beginWork(): () => void {
    const work = {}
    this.#open.add(work)
    return () => this.#end(work)
  }

  isAnswering(socket: Socket): boolean {
    return (this.#bySocket.get(socket)?.size ?? 0) > 0
  }

  /** The answer to a request whose body is still missing, and not because we would not take it. */
  silentUpload(socket: Socket): ServerResponse | undefined {
    const open = [...(this.#bySocket.get(socket) ?? [])]
    return open.find(({ req, headersSent }) => !headersSent && !req.complete && !req.isPaused())
  }

  /**
   * Whether bytes of an answer are out, or a whole request waits for its own: then nothing else may be written there.
   * `whole`: all of a refusal's are.
   */
  answerOn(socket: Socket): 'none' | 'to come' | 'whole' | 'in part' {
    const open = [...(this.#bySocket.get(socket) ?? [])]
    const begun = open.filter(response => response.headersSent)
    if (begun.length === 0) return open.some(({ req }) => req.complete) ? 'to come' : 'none'
    return begun.every(response => response.writableEnded || isRefused(response)) ? 'whole' : 'in part'
  }

  get isIdle(): boolean {
    return this.#open.size === 0
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    return this.#open.size === 0 ? Promise.resolve() : new Promise(resolve => this.#idlers.push(resolve))
  }

  #watch(socket: Socket): Set<ServerResponse> {
    const responses = new Set<ServerResponse>()
    this.#bySocket.set(socket, responses)
    socket.once('close', () => {
      // Node tells only the answer that has the socket; those queued behind it would never hear of the end.
      for (const response of [...responses]) {
        if (response.socket !== null) continue
        response.destroy()
        response.emit('close')
      }
    })
    return responses
  }

  #end(open: object): void {
    this.#open.delete(open)
    if (this.#open.size > 0) return
    for (const resolve of this.#idlers) resolve()
    this.#idlers = []
  }
}
