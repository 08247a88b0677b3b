import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openStage } from '../support/stage.ts'

const { sandbox, gateway } = await openStage()
const python = await findPython()
const client = fileURLToPath(new URL('python-client.py', import.meta.url))

/** The finder of `npm test`, which has installed what it does not find. */
async function findPython(): Promise<string> {
  const tools: string = new URL('../../scripts/system-tools.mjs', import.meta.url).href
  const { findPython } = (await import(tools)) as { findPython(module: string): string | undefined }
  const found = findPython('requests')
  if (found === undefined) throw new Error('there is no python3 with requests: apt-get install python3-requests')
  return found
}

interface Result {
  readonly code: number
  readonly stderr: string
  readonly said: { readonly key: string; readonly attempts: number; readonly first: string; readonly second: string }
}

function runClient(url: string, fault: string): Promise<Result> {
  const env = {
    ...process.env,
    CLIENT_HEADERS: JSON.stringify({ 'Sandbox-Fault': fault }),
    // Its waits are 2^attempt of this.
    CLIENT_WAIT_UNIT_S: '0.1',
  }
  return new Promise(resolve => {
    execFile(python, [client, url], { env, timeout: 25_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stderr, said: JSON.parse(stdout || '{}') })
    })
  })
}

describe('the Python client of the articles: one key, retries, and the same id for a second call', () => {
  test.each([
    ['no fault', '', { attempts: 1, runs: 1, failed: 0, id: 'chatcmpl-sandbox-1' }],
    [
      'a connection cut before the head',
      'cut-before-head, times=1',
      { attempts: 2, runs: 2, failed: 0, id: 'chatcmpl-sandbox-2' },
    ],
    [
      'a connection cut in the body',
      'cut-after=20, times=1',
      { attempts: 2, runs: 2, failed: 0, id: 'chatcmpl-sandbox-2' },
    ],
    ['a 500', 'status=500, times=1', { attempts: 2, runs: 1, failed: 1, id: 'chatcmpl-sandbox-1' }],
  ])('through the gateway its assertion holds: %s', async (_, fault, expected) => {
    const { code, stderr, said } = await runClient(gateway.url, fault)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { runs, failed } = await sandbox.meter.all()
    expect({ attempts: said.attempts, runs, failed, id: said.first }).toEqual(expected)
    expect(said.second).toBe(said.first)
    expect(await sandbox.meter.runs(said.key)).toBe(expected.runs)
  })

  test.each([
    ['no fault', '', 2],
    ['a connection cut in the body', 'cut-after=20, times=1', 3],
  ])('control: without the gateway it fails: %s', async (_, fault, runs) => {
    const { code, stderr, said } = await runClient(sandbox.url, fault)
    expect(code).toBe(1)
    expect(stderr).toContain('AssertionError: the second call with the key is another completion')
    expect(said.second).not.toBe(said.first)
    expect(await sandbox.meter.runs(said.key)).toBe(runs)
  })
})
