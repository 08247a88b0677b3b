import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { awaitOutputLock, findOutputOwner, type OutputLock } from '../../../src/batch/file/output-lock.ts'
import { processSurroundings } from '../../../src/engine/surroundings.ts'
import { makeFolder } from '../folder.ts'

const program = fileURLToPath(new URL('../programs/locker.mjs', import.meta.url))

interface Reply {
  readonly won?: boolean
}

async function startLocker(): Promise<ChildProcess> {
  const child = fork(program)
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

async function ask(child: ChildProcess, question: object): Promise<Reply> {
  const reply = once(child, 'message')
  child.send(question)
  const [message] = await reply
  return message as Reply
}

const warnings: string[] = []

function takeOutputLock(output: string): Promise<OutputLock> {
  return awaitOutputLock(output, processSurroundings.timers, message => void warnings.push(message))
}

async function takeAndRelease(output: string): Promise<void> {
  const lock = await takeOutputLock(output)
  lock.release()
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

test('an output is taken once, also in one process, and free again when it is released', async () => {
  const output = join(makeFolder(), 'out.jsonl')
  const lock = await takeOutputLock(output)
  await expect(takeOutputLock(output)).rejects.toThrow(
    `${output} is being written by the process ${process.pid} on ${hostname()}: let it end, or, if nothing runs there, delete ${output}.lock`,
  )
  expect(lock.beat()).toBe(true)
  expect(findOutputOwner(output)?.pid).toBe(process.pid)
  lock.release()
  expect(existsSync(`${output}.lock`)).toBe(false)
  await takeAndRelease(output)
})

test('a live process keeps it from others, a killed one does not', async () => {
  const output = join(makeFolder(), 'out.jsonl')
  const child = await startLocker()
  expect(await ask(child, { take: output })).toEqual({ won: true })
  await expect(takeOutputLock(output)).rejects.toThrow(`by the process ${child.pid} on`)
  child.kill('SIGSTOP')
  await expect(takeOutputLock(output)).rejects.toThrow(`by the process ${child.pid} on`)
  await kill(child)
  expect(findOutputOwner(output)).toBeUndefined()
  await takeAndRelease(output)
  expect(readdirSync(join(output, '..'))).toEqual([])
})

test('of many who find the lock of a killed process, exactly one takes it over', async () => {
  const folder = makeFolder()
  const crew = await Promise.all(Array.from({ length: 6 }, startLocker))
  for (let round = 0; round < 25; round++) {
    const output = join(folder, `${round}.jsonl`)
    const victim = round % 5 === 0 ? await startLocker() : undefined
    if (victim !== undefined) {
      await ask(victim, { take: output })
      await kill(victim)
      renameSync(`${output}.lock`, join(folder, 'dead'))
    }
    writeFileSync(`${output}.lock`, readFileSync(join(folder, 'dead')))
    const replies = await Promise.all(crew.map(child => ask(child, { take: output })))
    expect(
      replies.filter(({ won }) => won),
      `round ${round}`,
    ).toHaveLength(1)
    await Promise.all(crew.map(child => ask(child, { release: true })))
  }
  // Whoever lost has left nothing, and who had it has taken its lock away.
  expect(readdirSync(folder)).toEqual(['dead'])
})

test('whoever died while taking over is taken over from as well', async () => {
  const output = join(makeFolder(), 'out.jsonl')
  const [first, second] = await Promise.all([startLocker(), startLocker()])
  await ask(first, { take: output })
  await kill(first)
  // What the second leaves when it is killed before its rename: the lock that is named for the first.
  const owner = readFileSync(`${output}.lock`, 'utf8')
  const { hash } = await import('node:crypto')
  const successor = `${output}.lock.${hash('sha256', owner, 'hex').slice(0, 16)}`
  await ask(second, { take: join(output, '..', 'other') })
  renameSync(join(output, '..', 'other.lock'), successor)
  await expect(takeOutputLock(output)).rejects.toThrow(`by the process ${second.pid} on`)
  await kill(second)
  await takeAndRelease(output)
  expect(readdirSync(join(output, '..'))).toEqual([])
})

test('a process that cannot be seen from here is refused for when it beats, and gone after a minute of silence', async () => {
  const output = join(makeFolder(), 'out.jsonl')
  const path = `${output}.lock`
  writeFileSync(path, '{"processName":"other-boot.1/2/3/4","pid":3,"host":"far"}')
  const beatAgo = (seconds: number): void => {
    const atSeconds = Date.now() / 1_000 - seconds
    utimesSync(path, atSeconds, atSeconds)
  }
  const beats = setInterval(() => beatAgo(0), 100)
  await expect(takeOutputLock(output)).rejects.toThrow('by the process 3 on far')
  clearInterval(beats)
  beatAgo(59)
  const lock = await takeOutputLock(output)
  expect(warnings).toContain(
    `the process 3 on far has ${output}, and cannot be seen from here: waiting a minute for a sign of it`,
  )
  expect(lock.beat()).toBe(true)
  // It has come back, or somebody has deleted our lock: whose it is now is not ours.
  writeFileSync(`${path}.new`, '{"processName":"other-boot.1/2/3/5","pid":5,"host":"far"}')
  renameSync(`${path}.new`, path)
  expect(lock.beat()).toBe(false)
  lock.release()
  expect(existsSync(path)).toBe(true)
})

test('a lock that nobody can read is left alone', async () => {
  const output = join(makeFolder(), 'out.jsonl')
  writeFileSync(`${output}.lock`, '')
  await expect(takeOutputLock(output)).rejects.toThrow(`${output} is being written by somebody`)
})

test('what is no file in the place of a lock is refused, and not tried for ever', async () => {
  const output = join(makeFolder(), 'out.jsonl')
  symlinkSync('nowhere', `${output}.lock`)
  await expect(takeOutputLock(output)).rejects.toThrow(
    `${output}.lock is no file, and in the way of a lock: take it away`,
  )
  expect(() => findOutputOwner(output)).toThrow(`${output}.lock is no file`)
})
