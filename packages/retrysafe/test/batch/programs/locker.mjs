// Tries for the lock of every output that it is told, and says whether it has it.
import { takeOutputLock } from '../../../dist/batch/file/output-lock.js'

let lock
process.on('message', ({ take, release }) => {
  if (release) {
    lock?.release()
    lock = undefined
    return process.send({ released: true })
  }
  const taken = takeOutputLock(take)
  if (taken.kind === 'taken') lock = taken.lock
  process.send({ won: taken.kind === 'taken' })
})
process.send({ ready: true })
