// Tries for the lock of every output that it is told, and says whether it has it.
import { takeOutputLock } from '../../../dist/batch/output-lock.js'

let lock
process.on('message', ({ take, release }) => {
  if (release) {
    lock?.release()
    lock = undefined
    return process.send({ released: true })
  }
  try {
    lock = takeOutputLock(take)
    process.send({ won: true })
  } catch (error) {
    process.send({ won: false, code: error.code, message: error.message })
  }
})
process.send({ ready: true })
