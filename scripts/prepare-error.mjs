/** Preparation stopped: `message` says in one line what to do, `output` is all that the failed command printed. */
export class PrepareError extends Error {
  constructor(message, { output = '', exitCode = 1 } = {}) {
    super(message)
    this.name = 'PrepareError'
    this.output = output
    this.exitCode = exitCode
  }
}
