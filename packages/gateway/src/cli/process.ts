/** One line of JSON on stdout: programs wait for it. */
export function ready(facts: Record<string, string>): void {
  process.stdout.write(`${JSON.stringify({ event: 'ready', ...facts })}\n`)
}

/** Started with a channel to a parent (by fork or by our start script), a process ends when that parent is gone. */
export function endWithParent(end: () => void): void {
  if (process.send === undefined) return
  process.on('disconnect', end)
}

const lingerMs = 300

/** Nothing is waited for: a driver that failed may leave a connection open (pg, when the server wants a password). */
export function endSoon(): void {
  setTimeout(() => process.exit(), lingerMs).unref()
}
