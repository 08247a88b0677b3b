import type { RecordView } from '../../packages/retrysafe/src/engine/record.ts'

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
