/** As much of a socket as it takes to write once what is written in one go. */
export interface Corkable {
  cork(): void
  uncork(): void
}

/**
 * Lets sockets hold back what is written until this turn's promises have run: what many callers send at once becomes one
 * write instead of one each. To be called before each write.
 *
 * @param sockets those that may be written to
 */
export function gatherWrites(sockets: () => readonly (Corkable | undefined)[]): () => void {
  let isGathering = false
  return () => {
    if (isGathering) return
    isGathering = true
    const corked = sockets()
    for (const socket of corked) socket?.cork()
    process.nextTick(() => {
      isGathering = false
      for (const socket of corked) socket?.uncork()
    })
  }
}
