import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Ended, runProgram } from '../support/program.ts'

const upstream = ['--upstream', 'http://127.0.0.1:9']
const ports = ['--port', '0', '--admin-port', '0']

/** One line on stderr for a person, nothing on stdout for a program. */
function complaint({ stdout, stderr }: Ended): string {
  expect(stdout).toBe('')
  expect(stderr).toMatch(/^retrysafe: [^\n]+\n$/)
  return stderr.trimEnd()
}

describe('wrong usage is exit 2 and one line that names the flag and what it takes', () => {
  test.each<[string, string[], string, RegExp]>([
    ['an unknown flag', [...upstream, '--portt', '1'], '--portt', /unknown option/],
    ['an upstream that is no URL', ['--upstream', 'example'], '--upstream', /http or https URL/],
    ['a flag without its value', ['--upstream'], '--upstream', /argument missing/],
    ['a duration without a unit', [...upstream, '--retention', '24'], '--retention', /500ms, 30s, 10m, 24h or 7d/],
    ['a duration out of range', [...upstream, '--lease', '2h'], '--lease', /1s to 1h/],
    ['a size that is none', [...upstream, '--max-request', 'big'], '--max-request', /512kb or 32mb/],
    ['a count out of range', [...upstream, '--port', '65536'], '--port', /0 to 65535/],
    ['a choice that is none', [...upstream, '--on-crash', 'ignore'], '--on-crash', /rerun or fail/],
    ['a header name that is none', [...upstream, '--key-header', 'a:b'], '--key-header', /name of a header/],
    ['a credential as the key', [...upstream, '--key-header', 'X-Api-Key'], '--key-header', /cannot carry a key/],
    [
      'a store that is no URL',
      [...upstream, ...ports, '--store', 'somewhere'],
      '--store',
      /it takes lmdb:FOLDER, postgres:/,
    ],
    ['admin off loopback', [...upstream, ...ports, '--admin-host', '0.0.0.0'], '--admin-host', /--admin-token/],
    ['an argument too many', [...upstream, 'now'], 'serve', /too many arguments/],
  ])('%s', async (_, args, named, takes) => {
    const ended = await runProgram(['serve', ...args])
    expect(complaint(ended)).toContain(named)
    expect(complaint(ended)).toMatch(takes)
    expect(ended.code).toBe(2)
  })

  test.each<[string, string[], string]>([
    ['the password of an upstream', ['--upstream', 'http://user:hunter2@a'], '--upstream'],
    ['the password of a store', [...upstream, ...ports, '--store', 'mongodb://user:hunter2@a/b'], 'store'],
    ['a token that is too short', [...upstream, '--admin-token', 'hunter2'], '--admin-token'],
    ['a secret that is too short', [...upstream, '--scope-secret', 'hunter2'], '--scope-secret'],
  ])('%s is not shown', async (_, args, named) => {
    const ended = await runProgram(['serve', ...args])
    expect(complaint(ended)).not.toContain('hunter2')
    expect(complaint(ended)).toContain(named)
    expect(ended.code).toBe(2)
  })

  test('a wrong value in the environment is named by its variable, too', async () => {
    const ended = await runProgram(['serve', ...upstream], { RETRYSAFE_WAIT: 'soon' })
    expect(complaint(ended)).toContain('RETRYSAFE_WAIT')
    expect(complaint(ended)).toMatch(/500ms, 30s, 10m, 24h or 7d/)
    expect(ended.code).toBe(2)
  })

  test('a secret’s file that is not there is named, and its variable', async () => {
    const environment = { RETRYSAFE_ADMIN_TOKEN_FILE: '/nowhere/token' }
    const ended = await runProgram(['serve', ...upstream], environment)
    expect(complaint(ended)).toContain('RETRYSAFE_ADMIN_TOKEN_FILE')
    expect(complaint(ended)).toContain('/nowhere/token')
    expect(ended.code).toBe(2)
  })

  test('an unknown command', async () => {
    const ended = await runProgram(['severe'])
    expect(complaint(ended)).toContain('severe')
    expect(ended.code).toBe(2)
  })

  test('a sandbox fault that is none', async () => {
    const ended = await runProgram(['sandbox', '--port', '0', '--fault', 'explode'])
    expect(complaint(ended)).toContain('explode')
    expect(ended.code).toBe(2)
  })
})

describe('a taken port is exit 1 and one line', () => {
  test.each([
    ['--port', '--admin-port'],
    ['--admin-port', '--port'],
  ])('%s', async (taken, other) => {
    const holder = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void holder.close())
    await new Promise(resolve => holder.once('listening', resolve))
    const { port } = holder.address() as AddressInfo
    const ended = await runProgram(['serve', ...upstream, '--store', 'memory:', taken, String(port), other, '0'])
    expect(complaint(ended)).toContain(String(port))
    expect(complaint(ended)).toContain(taken)
    expect(ended.code).toBe(1)
  })
})

test('--help and --version are exit 0, on stdout', async () => {
  const help = await runProgram(['serve', '--help'])
  expect([help.code, help.stderr]).toEqual([0, ''])
  for (const flag of ['--upstream', '--retention', '--on-crash', '--drain', '--admin-token']) {
    expect(help.stdout).toContain(flag)
  }
  const version = await runProgram(['--version'])
  expect([version.code, version.stderr]).toEqual([0, ''])
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})
