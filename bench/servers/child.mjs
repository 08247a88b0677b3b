import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Starts a server that prints a ready line, and answers what the line says and how to end it. */
export function startChild(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    child.once('exit', code => reject(new Error(`${args.join(' ')} ended with ${code} before it was ready`)))
    createInterface({ input: child.stdout }).once('line', line => {
      child.removeAllListeners('exit')
      resolve({
        ...JSON.parse(line),
        end: () =>
          new Promise(done => {
            child.once('exit', done)
            child.kill('SIGKILL')
          }),
      })
    })
  })
}
