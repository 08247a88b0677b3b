import { expect, vi } from 'vitest'
import type { RecordView } from '../../packages/retrysafe/src/engine/record.ts'
import { graceMs } from '../../packages/retrysafe/src/engine/store.ts'
import { isShared } from './gateway.ts'

/** The records of a gateway, newest state, as its admin API shows them. */
export async function listRecords(admin: string, query = ''): Promise<readonly RecordView[]> {
  const response = await fetch(`${admin}/api/v1/records${query}`)
  if (response.status !== 200) throw new Error(`the admin API answered ${response.status}: ${await response.text()}`)
  const { records } = (await response.json()) as { records: readonly RecordView[] }
  return records
}

/** The one record of that key, whatever its state; `undefined` when there is none. */
export async function recordOf(admin: string, key: string): Promise<RecordView | undefined> {
  const records = await listRecords(admin, '?limit=1000')
  const found = records.filter(record => record.label.key === key)
  if (found.length > 1) throw new Error(`${found.length} records go by ${key}`)
  return found[0]
}

/** The state of that key's record. */
export async function stateOf(admin: string, key: string): Promise<string> {
  return (await recordOf(admin, key))?.state ?? 'absent'
}

/** Until whoever runs can be taken over: lease and grace are over, where the store does not see sooner that it is gone. */
export async function waitForLapse(admin: string): Promise<void> {
  if (!isShared) return
  const look = async (): Promise<void> => {
    const running = await listRecords(admin, '?state=running&limit=1000')
    const leasesLeftMs = running.map(record => record.leaseLeftMs ?? 0)
    expect(leasesLeftMs.filter(leftMs => leftMs > -graceMs)).toEqual([])
  }
  // Hooks, too, may wait so.
  await vi.waitFor(look, { timeout: 10_000, interval: 20 })
}

/** Lets a key whose outcome is unknown run again, as an operator does. */
export async function resolveFree(admin: string, key: string): Promise<void> {
  const record = await recordOf(admin, key)
  const response = await fetch(`${admin}/api/v1/records/${record?.id}/resolve`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"as":"free"}',
  })
  if (response.status !== 200) throw new Error(`resolving answered ${response.status}: ${await response.text()}`)
}
