import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../../test/support/eventually.ts'
import { type Member, startMember } from '../../../../test/support/process-member.ts'
import { openHost, reply } from './host.ts'

const host = await openHost()
const { url } = host
const json = { 'content-type': 'application/json' }

describe('another process on the same folder', () => {
  function makeFolder(): string {
    const path = mkdtempSync(join(tmpdir(), 'retrysafe-client-'))
    onTestFinished(() => rmSync(path, { recursive: true, force: true }))
    return path
  }
  const start = (settings: object): Member => {
    const member = startMember(new URL('./programs/caller.mjs', import.meta.url), { url, ...settings })
    onTestFinished(() => member.kill())
    return member
  }

  test('does not pay again, also after a kill', async () => {
    const path = makeFolder()
    host.script(reply('{"run":1}', json), reply('{"run":2}', json))
    const first = start({ path })
    expect(await first.ask('call', 'k')).toEqual([200, null, '{"run":1}'])
    await first.kill()
    const second = start({ path })
    expect(await second.ask('call', 'k')).toEqual([200, 'true', '{"run":1}'])
    expect(await second.ask('call', 'another')).toEqual([200, null, '{"run":2}'])
    expect(host.asked.length).toBe(2)
  })

  test.each<[string, unknown[], number]>([
    ['rerun', [200, null, '{"run":2}'], 2],
    ['fail', [424, null, expect.stringContaining('OUTCOME_UNKNOWN')], 1],
  ])('after a kill within the call, under %s', async (onCrash, expected, requests) => {
    const path = makeFolder()
    host.script(() => {}, reply('{"run":2}', json))
    const first = start({ path, onCrash })
    first.ask('call', 'k').catch(() => {})
    await eventually(() => host.asked.length).toBe(1)
    await first.kill()
    expect(await start({ path, onCrash }).ask('call', 'k')).toEqual(expected)
    expect(host.asked.length).toBe(requests)
  })
})
