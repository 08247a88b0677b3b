import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { readMachine } from '../../../src/engine/machine.ts'
import { openersOf } from '../../../src/stores/lmdb/openers.ts'
import { type OpeningGate, openingGate } from '../../../src/stores/lmdb/opening-gate.ts'

const library = new URL('../../../dist/stores/lmdb/', import.meta.url).href
const root = mkdtempSync(join(tmpdir(), 'retrysafe-gate-'))
const machine = readMachine()
afterAll(() => rmSync(root, { recursive: true, force: true }))

function openGate(): { path: string; gate: OpeningGate; openers: ReturnType<typeof openersOf> } {
  const path = mkdtempSync(join(root, 'store-'))
  const openers = openersOf(path, machine)
  openers.come()
  return { path, openers, gate: openingGate(path, machine, openers, () => performance.now()) }
}

it('opens through a gate that a dead opener left shut', () => {
  const { path, gate } = openGate()
  const dead = machine.processName.replace(/\/\d+\/\d+$/, '/4194304/1')
  writeFileSync(join(path, 'opening'), JSON.stringify({ opener: dead }))
  expect(gate.pass(() => existsSync(join(path, 'opening')))).toBe(true)
  expect(existsSync(join(path, 'opening'))).toBe(false)
})

it('opens through a gate whose opener died while it wrote it', () => {
  const { path, gate } = openGate()
  writeFileSync(join(path, 'opening'), '{"opener":')
  utimesSync(join(path, 'opening'), 0, 0)
  expect(gate.pass(() => 'open')).toBe('open')
})

it('shuts the gate again when the opening fails', () => {
  const { path, gate } = openGate()
  expect(() => gate.pass(() => expect.fail('damaged'))).toThrow('damaged')
  expect(existsSync(join(path, 'opening'))).toBe(false)
})

it('a process that has the store open holds the lock for as long as another one opens, and no longer', async () => {
  const { path, gate, openers } = openGate()
  openers.stay()
  const opener = spawn(process.execPath, ['--input-type=module', '-e', script(path)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = once(opener.stdout.setEncoding('utf8'), 'data')
  const heldMs: number[] = []
  const timer = setInterval(() => {
    gate.serve(run => {
      const fromMs = performance.now()
      run()
      heldMs.push(performance.now() - fromMs)
    })
  }, 5)
  expect(await said).toEqual(['held\n'])
  await once(opener, 'exit')
  clearInterval(timer)
  openers.leave()
  expect(heldMs).toHaveLength(1)
  expect(heldMs[0]).toBeGreaterThan(250)
  expect(existsSync(join(path, 'held'))).toBe(false)
})

/** Opens for 300 ms, and says whether somebody held the lock from the beginning to the end. */
function script(path: string): string {
  return `
    import { readFileSync } from 'node:fs'
    const { readMachine } = await import('${library}../../engine/machine.js')
    const { openersOf } = await import('${library}openers.js')
    const { openingGate } = await import('${library}opening-gate.js')
    const { sleep } = await import('${library}sleep.js')
    const path = ${JSON.stringify(path)}
    const machine = readMachine()
    const openers = openersOf(path, machine)
    openers.come()
    const isHeld = () => readFileSync(path + '/held', 'utf8') === machine.processName
    const gate = openingGate(path, machine, openers, () => performance.now())
    console.log(gate.pass(() => { const before = isHeld(); sleep(300); return before && isHeld() }) ? 'held' : 'not held')
    openers.leave()`
}
