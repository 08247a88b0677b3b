/** What the parent gave at the start. */
export const settings = JSON.parse(process.argv[2] ?? '{}')

/** Answers the parent's questions, one function each, and ends with it. */
export function answerParent(answers) {
  process.on('disconnect', () => process.exit(1))
  process.on('message', async ({ id, question, input }) => {
    try {
      tell({ id, answer: (await answers[question](input)) ?? null })
    } catch (error) {
      tell({ id, error: String(error?.stack ?? error) })
    }
  })
}

/** Says something to the parent unasked; a parent that is gone hears nothing. */
export function tell(news) {
  if (process.connected) process.send(news, () => {})
}

/** CLOCK_MONOTONIC in ms: the same in every process of this machine. */
export function machineMs() {
  return Number(process.hrtime.bigint()) / 1e6
}

const never = new Int32Array(new SharedArrayBuffer(4))

/** Stands still until an instant of CLOCK_MONOTONIC, without using a processor. */
export function standUntil(atMs) {
  for (let leftMs = atMs - machineMs(); leftMs > 0; leftMs = atMs - machineMs()) Atomics.wait(never, 0, 0, leftMs)
}
